"""Which rows are held out. Called by the pipeline; pure but for the seed it is given."""

import numpy as np
from sklearn.model_selection import train_test_split

from kanarya_contracts.problems import InvalidInput, Problem
from kanarya_training_job.features import Rows


def draw(rows: Rows, *, fraction: float, seed: int, source: str) -> tuple[Rows, Rows]:
    """Training and held-out rows, drawn in proportion to the classes. Same rows, fraction and seed: same draw.

    Raises InvalidInput if a class has one row, or if there are fewer held-out rows than classes.
    """
    words, counts = np.unique(rows.words, return_counts=True)
    single = [str(word) for word, count in zip(words, counts, strict=True) if count < 2]
    held_out = int(np.ceil(len(rows) * fraction))
    if single:
        message = f"has one row of {', '.join(map(repr, single))}; a class needs at least two, to train on and to hold out"
        raise InvalidInput(source, [Problem(path=(rows.target,), message=message)])
    if held_out < len(words) or len(rows) - held_out < len(words):
        message = f"split.test {fraction:g} holds out {held_out} of {len(rows)} rows; each side needs all {len(words)} classes"
        raise InvalidInput(source, [Problem(path=(), message=message)])
    train, holdout = train_test_split(rows.frame, test_size=fraction, random_state=seed, stratify=rows.words)
    return rows.keep(train.sort_index()), rows.keep(holdout.sort_index())


def check(train: Rows, holdout: Rows, *, folds: int, source: str) -> None:
    """Raise InvalidInput if a class has fewer training rows than folds, or stands in the held-out rows alone."""
    words, counts = np.unique(train.words, return_counts=True)
    problems = [
        Problem(
            path=(train.target,), message=f"has {count} training rows of {str(word)!r}, {folds} folds need at least {folds}"
        )
        for word, count in zip(words, counts, strict=True)
        if count < folds
    ]
    strange = sorted(set(holdout.words) - set(words.tolist()))
    if strange:
        problems.append(Problem(path=(train.target,), message=f"is {', '.join(strange)} in held-out rows alone"))
    if problems:
        raise InvalidInput(source, problems)
