"""One machine as a mode: the manifests that Kubernetes gets, run as processes. Called by `commands/local` and the demo.

stack       up, down, status: what a person asks for
manifests   YAML in, typed resources or every problem with its line out
documents   YAML with the line of each of its paths
store       the ModelRollout objects, a file each                 (port: store)
serving     a model server per version                            (port: serving)
artifacts   fetch a version and hold it to its contract
traffic     the split, in Envoy's files; the truth, from Envoy    (port: traffic)
envoy       those files, and Envoy's account of itself            (pure)
scrape      counters of every model server                        (port: metrics)
controller  the process that runs the rollouts
processes   start, remember and stop processes, only our own
ports       TCP ports on loopback
launch      what there is to start, and how to tell that it is up
files       documents that are written whole or not at all
"""
