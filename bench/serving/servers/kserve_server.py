"""KServe's ModelServer round scikit-learn, run by .venv-bench's Python: `kserve_server.py KIND PORT [GRPC_PORT]`.

`predict` is what KServe's own sklearnserver does; only where the estimator comes from differs. KServe is given its best: no
latency log, no access log, uvloop, and gRPC only where gRPC is measured.
"""

import sys

import kserve
from estimators import fitted
from kserve.utils.utils import get_predict_input, get_predict_response


class Iris(kserve.Model):
    def load(self) -> bool:
        self.estimator = fitted(sys.argv[1])
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None, response_headers=None):  # noqa: ARG002 (KServe's signature)
        return get_predict_response(payload, self.estimator.predict(get_predict_input(payload)), self.name)


if __name__ == "__main__":
    model = Iris("iris")
    model.load()
    port, *grpc_port = map(int, sys.argv[2:])
    server = kserve.ModelServer(
        http_port=port,
        grpc_port=grpc_port[0] if grpc_port else 0,
        enable_grpc=bool(grpc_port),
        workers=1,
        enable_latency_logging=False,
        event_loop="uvloop",
    )
    server.start([model])
