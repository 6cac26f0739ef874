"""From a source to rows to train on and rows held out: load, validate, clean, split. Called by the pipeline."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kanarya_contracts import artifact
from kanarya_training_job import cleaning, identity, quality, source, split
from kanarya_training_job.features import Rows
from kanarya_training_job.outcome import Event
from kanarya_training_job.settings import Settings

Report = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What `load`, `validate`, `clean` and `split` leave."""

    train: Rows
    holdout: Rows
    data: artifact.Data
    training_digest: str
    """Of the (data, code, configuration) triple."""


def prepare(settings: Settings, report: Report) -> Prepared:
    """From the source to rows to train on and rows held out."""
    table = _load(settings, settings.data.source, report)
    rows = quality.validate(table, settings)
    report(Event(step="validate", message=f"{len(rows)} rows keep the contract of {len(rows.columns)} features"))
    rows, counts = cleaning.clean(rows, settings.cleaning)
    report(Event(step="clean", message=_counted(counts), figures=counts))
    files = [table.sha256]
    if settings.split.evaluation is None:
        train, holdout = split.draw(rows, fraction=settings.split.fraction, seed=settings.seed, source=table.source)
    else:
        held_out = _load(settings, settings.split.evaluation, report)
        files.append(held_out.sha256)
        checked = quality.validate(held_out, settings, like=rows.columns)
        train, holdout = rows, cleaning.clean(checked, settings.cleaning)[0]
    train, trimmed = cleaning.trim(train, settings.cleaning)
    split.check(train, holdout, folds=settings.search.folds, source=table.source)
    also = f"; {_counted(trimmed)}" if trimmed else ""
    report(Event(step="split", message=f"{len(train)} rows to train on, {len(holdout)} held out{also}", figures=trimmed))
    data = artifact.Data(source=table.source, sha256=table.sha256, rows=len(rows), cleaning={**counts, **trimmed})
    return Prepared(train=train, holdout=holdout, data=data, training_digest=identity.training_digest(settings, files))


def _load(settings: Settings, where: str, report: Report) -> source.Table:
    words = [name for name, one in (settings.features or {}).items() if one.kind == "categorical"]
    table = source.read(settings.data.model_copy(update={"source": where}), text_columns=words)
    size = f"{len(table.frame)} rows, {len(table.frame.columns)} columns, {table.sha256[:19]}…"
    report(Event(step="load", message=f"{table.source}: {size}"))
    return table


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{what.replace('-', ' ')}: {count}" for what, count in counts.items()) or "nothing to do"
