"""Which types a skops file may hold beyond those skops itself trusts: training checks as it writes, serving as it loads.

skops trusts scikit-learn's public estimators, numpy's arrays and ufuncs, and plain values. This list adds the modules that hold
the fitted state of our model families. It is ours and fixed: a file never says what to trust in itself.

Tree nodes are arrays that scikit-learn indexes without bounds checks, so a forged file could crash the process. What stands
against that is the digest: the server loads only bytes that the artifact's contract vouches for.
"""

SKOPS_MODULES = (
    "sklearn._loss.",
    "sklearn.calibration.",
    "sklearn.ensemble._hist_gradient_boosting.",
    "sklearn.metrics._dist_metrics.",
    "sklearn.neighbors._ball_tree.",
    "sklearn.neighbors._kd_tree.",
    "sklearn.tree._tree.",
)
"""A type is allowed if its full name (`module.Name`, as skops reports it) starts with one of these."""

SKOPS_TYPES = frozenset({"numpy.dtype"})
"""Or if it is one of these."""
