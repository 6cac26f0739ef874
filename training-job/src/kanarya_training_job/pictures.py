"""A confusion matrix and ROC curves as PNG, for people who look at a run. Called by the pipeline's `evaluate`.

Drawn by matplotlib's Agg without pyplot: no window system, no global state, no thread of its own.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, roc_curve

from kanarya_training_job.evaluation import Answers

CONFUSION_FILE = "confusion-matrix.png"
ROC_FILE = "roc.png"


def draw(truth: Sequence[str], answers: Answers, into: Path) -> tuple[Path, ...]:
    """Write both pictures of the held-out rows; returns their paths."""
    return (
        _save(_confusion(truth, answers), into / CONFUSION_FILE),
        _save(_roc(truth, answers), into / ROC_FILE),
    )


def _save(figure: Figure, path: Path) -> Path:
    FigureCanvasAgg(figure)
    figure.savefig(path, metadata={"Software": None})  # without a version in it, equal pictures are equal files
    return path


def _confusion(truth: Sequence[str], answers: Answers) -> Figure:
    counts = confusion_matrix(truth, answers.labels, labels=answers.classes)
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts, cmap="Blues")
    axes.set(
        title=f"{len(truth)} held-out rows",
        xlabel="predicted",
        ylabel="true",
        xticks=range(len(answers.classes)),
        yticks=range(len(answers.classes)),
        xticklabels=answers.classes,
        yticklabels=answers.classes,
    )
    for row, column in np.ndindex(*counts.shape):
        shade = "white" if counts[row, column] > counts.max() / 2 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=shade)
    return figure


def _roc(truth: Sequence[str], answers: Answers) -> Figure:
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey", label="chance")
    for index, name in enumerate(answers.classes):
        is_class = np.array([word == name for word in truth])
        if is_class.any() and not is_class.all():
            false_positive, true_positive, _ = roc_curve(is_class, answers.probabilities[:, index])
            axes.plot(false_positive, true_positive, label=name)
    axes.set(title="each class against the rest", xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(loc="lower right")
    return figure
