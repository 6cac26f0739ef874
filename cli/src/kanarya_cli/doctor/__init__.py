"""Whether a cluster can do what Kanarya needs, finding by finding, with what to do. Called by `commands.doctor`.

    finding       what a check says: fine, wrong, or it could not be looked at
    seen          what was read of a cluster, as data
    reading       reads it, much at once
    examination   every check over it                                (pure)
    kinds, kserve, gateways, controller, platform, rollouts
                  the checks, each a function of documents           (pure)
    workloads     Deployments, and the addresses that they are told  (pure)
    report        the findings as a table                            (pure)

Looks and never touches: the only objects it posts are reviews of rights, which an API server answers and does not keep.
"""
