"""The `kanarya` command and local mode: what a person types.

app        the command line: arguments in, exit status out
commands/  one file a noun: train, infer, rollout, local, doctor
view       a rollout as something to look at       (pure)
where      which world a command line means: a cluster, or local mode
rollouts   the rollouts of either, behind one port; `cluster` has those of a cluster
explain    why a rollout is where it is, in words  (pure)
doctor/    whether a cluster can do what Kanarya needs
local/     the same manifests as processes on one machine
demo/      `make demo`: the whole story, checked claim by claim
"""
