"""A confusion matrix and ROC curves of classes, estimates of numbers against the truth: PNG, for people who look at a run.
Called by the pipeline's `evaluate`.

Drawn by matplotlib's Agg without pyplot: no window system, no global state, no thread of its own.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, roc_curve

from kanarya_training_job.evaluation import Answers, ClassAnswers, NumberAnswers, Numbers
from kanarya_training_job.features import Rows

CONFUSION_FILE = "confusion-matrix.png"
ROC_FILE = "roc.png"
ESTIMATES_FILE = "estimates.png"


def draw(rows: Rows, answers: Answers, into: Path) -> tuple[Path, ...]:
    """Write the pictures of the held-out rows, of several targets one in a folder each; returns their paths."""
    paths: list[Path] = []
    for number, (target, said) in enumerate(answers.items()):
        folder = into / f"target-{number}" if len(answers) > 1 else into
        folder.mkdir(exist_ok=True)
        if isinstance(said, ClassAnswers):
            paths.append(_save(_confusion(target, rows.words(target), said), folder / CONFUSION_FILE))
            paths.append(_save(_roc(target, rows.words(target), said), folder / ROC_FILE))
        else:
            paths.append(_save(_estimates(target, rows.numbers(target), said), folder / ESTIMATES_FILE))
    return tuple(paths)


def _save(figure: Figure, path: Path) -> Path:
    FigureCanvasAgg(figure)
    figure.savefig(path, metadata={"Software": None})  # without a version in it, equal pictures are equal files
    return path


def _confusion(target: str, truth: Sequence[str], answers: ClassAnswers) -> Figure:
    counts = confusion_matrix(truth, answers.labels, labels=answers.classes)
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts, cmap="Blues")
    axes.set(
        title=f"{target}, {len(truth)} held-out rows",
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


def _roc(target: str, truth: Sequence[str], answers: ClassAnswers) -> Figure:
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey", label="chance")
    for index, name in enumerate(answers.classes):
        is_class = np.array([word == name for word in truth])
        if is_class.any() and not is_class.all():
            false_positive, true_positive, _ = roc_curve(is_class, answers.probabilities[:, index])
            axes.plot(false_positive, true_positive, label=name)
    axes.set(title=f"{target}: each class against the rest", xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(loc="lower right")
    return figure


def _estimates(target: str, truth: Numbers, said: NumberAnswers) -> Figure:
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    ends = [float(min(truth.min(), said.values.min())), float(max(truth.max(), said.values.max()))]
    axes.plot(ends, ends, linestyle=":", color="grey", label="no error")
    axes.scatter(truth, said.values, s=8)
    axes.set(title=f"{target}, {len(truth)} held-out rows", xlabel="true", ylabel="estimated")
    axes.legend(loc="upper left")
    return figure
