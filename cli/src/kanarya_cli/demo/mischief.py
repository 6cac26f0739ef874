"""What goes wrong on purpose in the demo: labels permuted before training, a byte altered after registration."""

import csv
import random
from pathlib import Path

import kanarya_training_job as job
from kanarya_contracts import artifact
from kanarya_contracts.names import CONTRACT_FILE


def permute_labels(settings: job.Settings, good: job.Outcome, *, into: Path) -> job.Settings:
    """Settings whose training rows are those of `good` with their labels shuffled (seeded), written to `into`, and whose
    held-out rows are the same."""
    with good.train_rows_file.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    (target,) = settings.target
    labels = [row[target] for row in rows]
    random.Random(7).shuffle(labels)  # noqa: S311 (mischief, not security)
    with into.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, target: label} for row, label in zip(rows, labels, strict=True))
    data = settings.data.model_copy(update={"source": str(into)})
    split = settings.split.model_copy(update={"test": None, "evaluation": str(good.holdout_rows_file)})
    return settings.model_copy(update={"data": data, "split": split})


def without_alias(settings: job.Settings) -> job.Settings:
    """Settings that register a version and point nothing to it."""
    return settings.model_copy(update={"registry": settings.registry.model_copy(update={"alias": None})})


def alter_one_byte(directory: Path) -> Path:
    """Turn over one bit in the middle of the model's file, as a bad disk or a hand would; the size stays. Returns the file."""
    contract = artifact.parse((directory / CONTRACT_FILE).read_bytes())
    path = directory / contract.runtime.file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path
