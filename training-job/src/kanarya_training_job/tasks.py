"""What can be trained: tasks, the model families of each with what a grid may vary, and the figures of merit. Words alone, so
that a configuration is read without the libraries that train; `families` builds the models, `evaluation` measures them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Task = Literal["classification", "regression"]
"""Whether classes are told apart, or numbers estimated."""

Family = Literal[
    "logistic-regression",
    "ridge",
    "random-forest",
    "hist-gradient-boosting",
    "k-nearest-neighbours",
    "decision-tree",
    "gaussian-nb",
    "svc",
    "svr",
]
"""Model families, each a scikit-learn classifier or regressor; `families` builds them."""

_TREE = {"ccp_alpha", "criterion", "max_depth", "min_samples_leaf", "min_samples_split"}
_FOREST = {"criterion", "max_depth", "max_features", "min_samples_leaf", "min_samples_split", "n_estimators"}
_BOOSTING = {"l2_regularization", "learning_rate", "max_depth", "max_iter", "max_leaf_nodes", "min_samples_leaf"}
_NEIGHBOURS = {"n_neighbors", "p", "weights"}

HYPERPARAMETERS: Mapping[Task, Mapping[Family, frozenset[str]]] = MappingProxyType(
    {
        "classification": {
            "logistic-regression": frozenset({"C", "class_weight", "fit_intercept", "max_iter", "solver", "tol"}),
            "random-forest": frozenset(_FOREST | {"class_weight"}),
            "hist-gradient-boosting": frozenset(_BOOSTING | {"class_weight"}),
            "k-nearest-neighbours": frozenset(_NEIGHBOURS),
            "decision-tree": frozenset(_TREE | {"class_weight"}),
            "gaussian-nb": frozenset({"var_smoothing"}),
            "svc": frozenset({"C", "class_weight", "degree", "gamma", "kernel"}),
        },
        "regression": {
            "ridge": frozenset({"alpha", "fit_intercept", "solver", "tol"}),
            "random-forest": frozenset(_FOREST),
            "hist-gradient-boosting": frozenset(_BOOSTING | {"loss"}),
            "k-nearest-neighbours": frozenset(_NEIGHBOURS),
            "decision-tree": frozenset(_TREE),
            "svr": frozenset({"C", "degree", "epsilon", "gamma", "kernel"}),
        },
    }
)
"""Which of scikit-learn's parameters a grid may vary: those that shape the model, and none that runs code or threads."""

PLAIN: Mapping[Task, tuple[Family, ...]] = MappingProxyType(
    {
        "classification": ("logistic-regression", "k-nearest-neighbours", "random-forest"),
        "regression": ("ridge", "k-nearest-neighbours", "random-forest"),
    }
)
"""What is tried where a configuration names no candidates, simplest first."""

MetricName = Literal["accuracy", "balanced-accuracy", "f1-macro", "log-loss", "roc-auc", "r2", "rmse", "mae"]
"""Figures of merit. `log-loss`, `rmse` and `mae` are better when smaller, the others when larger. `roc-auc` is one-against-the-
rest, macro. Of several targets, the mean over them."""

OF_LABELS: tuple[MetricName, ...] = ("accuracy", "balanced-accuracy", "f1-macro")
"""What several targets of classes are measured by: a fold may lack a class of one, and has no probability for it then."""

METRICS: Mapping[Task, tuple[MetricName, ...]] = MappingProxyType(
    {"classification": (*OF_LABELS, "log-loss", "roc-auc"), "regression": ("rmse", "mae", "r2")}
)
"""By task; the first is what a search goes by unless it is told otherwise."""
