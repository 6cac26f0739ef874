"""A forest is asked for its probabilities alone, and its labels are those that scikit-learn predicts."""

import numpy as np

from kanarya_model.core.inputs import Rows
from kanarya_model.testing import estimator


def test_every_label_is_scikit_learns_own_where_classes_tie_too(model, monkeypatch):
    forest, _ = estimator("forest")
    rows = np.random.default_rng(0).uniform(0, 8, (5000, 4))
    probabilities = forest.predict_proba(rows)
    two_largest = np.sort(probabilities)[:, -2:]
    predictor = model("forest")._predictor
    monkeypatch.setattr(predictor._estimator, "predict", None)  # asking for it would fail

    answer = predictor.predict(Rows(count=len(rows), matrix=rows))

    assert (two_largest[:, 0] == two_largest[:, 1]).sum() > 5
    assert answer.output("label").tolist() == forest.predict(rows).tolist()
    assert answer.output("probabilities").tolist() == probabilities.tolist()
