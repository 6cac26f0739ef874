"""KServe's ModelServer round scikit-learn, run by .venv-bench's Python: `kserve_peer.py KIND PORT`.

`predict` is what KServe's own sklearnserver does; only where the estimator comes from differs: it is fitted here, on the same
rows with the same parameters as `kanarya_model.testing` fits, because sklearnserver loads pickles and this bench does not.
KServe is given its best: no gRPC beside it, no latency log, no access log, uvloop.
"""

import sys

import kserve
from kserve.utils.utils import get_predict_input, get_predict_response
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODELS = {
    "numeric": make_pipeline(StandardScaler(), LogisticRegression()),
    "forest": RandomForestClassifier(100, random_state=0),
}


class Iris(kserve.Model):
    def __init__(self, name: str, kind: str) -> None:
        super().__init__(name)
        self.estimator = MODELS[kind]

    def load(self) -> bool:
        iris = load_iris()
        self.estimator.fit(iris.data, iris.target_names.astype(object)[iris.target])
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None, response_headers=None):  # noqa: ARG002 (KServe's signature)
        return get_predict_response(payload, self.estimator.predict(get_predict_input(payload)), self.name)


if __name__ == "__main__":
    model = Iris("iris", sys.argv[1])
    model.load()
    server = kserve.ModelServer(
        http_port=int(sys.argv[2]), enable_grpc=False, workers=1, enable_latency_logging=False, event_loop="uvloop"
    )
    server.start([model])
