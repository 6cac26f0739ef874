"""The scikit-learn models that every server here serves: fitted wherever this runs as `kanarya_model.testing` fits them, as
otherwise a pickle would have to be loaded. Servers whose answers differ from it are not measured.
"""

from typing import Any

from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def fitted(kind: str) -> Any:
    """ "numeric": logistic regression, "forest": a hundred trees. They answer Iris' names."""
    iris = load_iris()
    targets = iris.target_names.astype(object)[iris.target]
    model = {
        "numeric": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        "forest": lambda: RandomForestClassifier(100, random_state=0),
    }[kind]()
    return model.fit(iris.data, targets)
