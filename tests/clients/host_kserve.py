"""KServe's own ModelServer with our model in it: `host_kserve.py DIRECTORY HTTP_PORT GRPC_PORT`, until SIGTERM."""

import sys

import kserve

from kanarya_model.edges.kserve import KanaryaModel

if __name__ == "__main__":
    directory, http_port, grpc_port = sys.argv[1:]
    server = kserve.ModelServer(http_port=int(http_port), grpc_port=int(grpc_port), workers=1, enable_latency_logging=False)
    server.start([KanaryaModel("iris", directory, version="7")])
