"""The folder of one training: the artifact as it will be registered, files for people, and the rows. Called by the pipeline.

    <work_dir>/<model>-<training digest>-<random>/
        artifact/            what is registered and served
        run/                 what only MLflow's run gets: pictures, the model card, the search
        champion/            the version it was compared with, fetched
        train-rows.csv       after cleaning, features and target
        holdout-rows.csv

A new folder for every training: a path that was handed out is never written again.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kanarya_contracts.problems import KanaryaError
from kanarya_training_job.features import Rows


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Paths below one folder."""

    directory: Path

    @property
    def artifact(self) -> Path:
        """The artifact's directory."""
        return self.directory / "artifact"

    @property
    def run(self) -> Path:
        """Files for MLflow's run."""
        return self.directory / "run"

    @property
    def champion(self) -> Path:
        """Where the champion is fetched to."""
        return self.directory / "champion"

    @property
    def train_rows(self) -> Path:
        """CSV."""
        return self.directory / "train-rows.csv"

    @property
    def holdout_rows(self) -> Path:
        """CSV."""
        return self.directory / "holdout-rows.csv"


def make(work_dir: Path, name: str) -> Workspace:
    """A new folder below `work_dir`, which is made where it is not there. Raises KanaryaError if that cannot be written."""
    with writing(work_dir):
        work_dir.mkdir(parents=True, exist_ok=True)
        workspace = Workspace(directory=Path(tempfile.mkdtemp(prefix=f"{name}-", dir=work_dir)))
        workspace.run.mkdir()
    return workspace


def write_rows(rows: Rows, path: Path) -> None:
    """As CSV, numbers to their last bit."""
    with writing(path):
        rows.frame.to_csv(path, index=False)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a disk says (full, read-only, not permitted) into a KanaryaError about `path`."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise KanaryaError(
            f"cannot write {where}: {error.strerror or error}. Free some space, or choose another --work-dir."
        ) from error
