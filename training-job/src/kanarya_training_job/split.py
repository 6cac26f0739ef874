"""Which rows are held out. Called by the pipeline; pure but for the seed it is given."""

import numpy as np
from sklearn.model_selection import train_test_split

from kanarya_contracts.problems import InvalidInput, Problem
from kanarya_training_job.features import Rows


def draw(rows: Rows, *, fraction: float, seed: int, source: str) -> tuple[Rows, Rows]:
    """Training and held-out rows, drawn in proportion to the classes of one target; of numbers, or of several targets, just
    drawn. Same rows, fraction and seed: same draw.

    Raises InvalidInput if a class has one row, or if there are fewer held-out rows than classes.
    """
    single = [_single_problem(rows, target) for target in rows.targets] if rows.task == "classification" else []
    problems = [one for one in single if one is not None] or _size_problems(rows, fraction)
    if problems:
        raise InvalidInput(source, problems)
    stratify = rows.words(rows.targets[0]) if stratified(rows) else None
    train, holdout = train_test_split(rows.frame, test_size=fraction, random_state=seed, stratify=stratify)
    return rows.keep(train.sort_index()), rows.keep(holdout.sort_index())


def stratified(rows: Rows) -> bool:
    """Whether draws keep the proportions of classes: there is one target, and it has them."""
    return rows.task == "classification" and not rows.several


def check(train: Rows, holdout: Rows, *, folds: int, source: str) -> None:
    """Raise InvalidInput if a class has fewer training rows than folds, or stands in the held-out rows alone."""
    if train.task == "regression":
        if len(train) < folds:
            message = f"leaves {len(train)} rows to train on, {folds} folds need at least {folds}"
            raise InvalidInput(source, [Problem(path=(), message=message)])
        return
    problems = [one for target in train.targets for one in _class_problems(train, holdout, target, folds)]
    if problems:
        raise InvalidInput(source, problems)


def _single_problem(rows: Rows, target: str) -> Problem | None:
    words, counts = np.unique(rows.words(target), return_counts=True)
    single = [str(word) for word, count in zip(words, counts, strict=True) if count < 2]
    if not single:
        return None
    message = f"has one row of {', '.join(map(repr, single))}; a class needs at least two, to train on and to hold out"
    return Problem(path=(target,), message=message)


def _size_problems(rows: Rows, fraction: float) -> list[Problem]:
    held_out = int(np.ceil(len(rows) * fraction))
    least = len(set(rows.words(rows.targets[0]))) if stratified(rows) else 1
    if held_out >= least and len(rows) - held_out >= least:
        return []
    needs = f"all {least} classes" if stratified(rows) else "one"
    return [
        Problem(path=(), message=f"split.test {fraction:g} holds out {held_out} of {len(rows)} rows; each side needs {needs}")
    ]


def _class_problems(train: Rows, holdout: Rows, target: str, folds: int) -> list[Problem]:
    words, counts = np.unique(train.words(target), return_counts=True)
    problems = [
        Problem(path=(target,), message=f"has {count} training rows of {str(word)!r}, {folds} folds need at least {folds}")
        for word, count in zip(words, counts, strict=True)
        if count < folds
    ]
    strange = sorted(set(holdout.words(target)) - set(words.tolist()))
    if strange:
        problems.append(Problem(path=(target,), message=f"is {', '.join(strange)} in held-out rows alone"))
    return problems
