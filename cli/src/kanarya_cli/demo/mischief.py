"""What goes wrong on purpose in the demo: labels permuted before training, a byte altered after registration."""

import csv
import random
from pathlib import Path

import yaml

import kanarya_training_job as job
from kanarya_contracts import artifact
from kanarya_contracts.names import CONTRACT_FILE


def permute_labels(config: Path, good: job.Outcome, *, into: Path) -> Path:
    """A configuration like `config`, whose training rows are those of `good` with their labels shuffled (seeded) and whose
    held-out rows are the same. Returns its path."""
    into.mkdir(parents=True, exist_ok=True)
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    target = document["target"]
    with good.train_rows_file.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    labels = [row[target] for row in rows]
    random.Random(7).shuffle(labels)  # noqa: S311 (mischief, not security)
    spoiled = into / "permuted.csv"
    with spoiled.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, target: label} for row, label in zip(rows, labels, strict=True))
    document["data"] = {**document["data"], "source": str(spoiled.resolve())}
    document["split"] = {"evaluation": str(good.holdout_rows_file.resolve())}
    written = into / config.name
    written.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return written


def alter_one_byte(directory: Path) -> Path:
    """Turn over one bit in the middle of the model's file, as a bad disk or a hand would; the size stays. Returns the file."""
    contract = artifact.parse((directory / CONTRACT_FILE).read_bytes())
    path = directory / contract.runtime.file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path
