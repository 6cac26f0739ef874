"""Which types a skops file may hold beyond those skops itself trusts: training checks as it writes, serving as it loads.

The list is ours and fixed: a file never says what to trust in itself. It names the packages of scikit-learn that hold
estimators and their fitted state, and single types from elsewhere. What it leaves out on purpose: functions that fetch or
read (`sklearn.datasets`), anything of `builtins`, `operator`, `functools`, `os`, and every package but scikit-learn and numpy.

`sklearn.tree` and `sklearn.ensemble` hold node arrays that scikit-learn indexes without bounds checks, so a forged file could
crash the process. The server loads only bytes whose digest the artifact's contract vouches for; that is what stands against it.
"""

SKOPS_PREFIXES = (
    "sklearn._loss.",
    "sklearn.calibration.",
    "sklearn.compose.",
    "sklearn.decomposition.",
    "sklearn.discriminant_analysis.",
    "sklearn.ensemble.",
    "sklearn.feature_selection.",
    "sklearn.gaussian_process.",
    "sklearn.impute.",
    "sklearn.kernel_approximation.",
    "sklearn.linear_model.",
    "sklearn.metrics._dist_metrics.",
    "sklearn.multiclass.",
    "sklearn.naive_bayes.",
    "sklearn.neighbors.",
    "sklearn.neural_network.",
    "sklearn.pipeline.",
    "sklearn.preprocessing.",
    "sklearn.svm.",
    "sklearn.tree.",
)
"""A type is allowed if its full name (`module.Name`, as skops reports it) starts with one of these."""

SKOPS_TYPES = frozenset({
    "numpy.dtype",
    "sklearn.utils._bunch.Bunch",
})  # fmt: skip
"""Or if it is one of these."""
