"""Image 2, the serving runtime: a strict, fast V2 (Open Inference Protocol) server for models that carry their own contract.

settings   every setting, once: flags, environment, documentation
storage    a directory or `s3://` prefix becomes a local directory
artifact   the directory becomes verified bytes and a contract, or is refused
loaders    bytes become a predictor, one file per kind
core       requests become arrays, arrays become answers; knows no HTTP
edges      front doors: V1 and V2 over HTTP, V2 over gRPC
repository several models and versions in one process
metrics    what is counted
records    what is written down about single requests; recorders puts them round the edges
server     start, signals, drain
hosted     the same model in somebody else's process
foreign    a contract for a model that was made elsewhere
testing    real artifacts for everybody's tests
"""

from importlib.metadata import version

VERSION = version("kanarya-model")
"""Of this distribution."""
