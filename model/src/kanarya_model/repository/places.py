"""What lies in a repository's directory: models, their versions, which of them is meant. Called by `Repository`, never on the
event loop.

    DIR/MODEL/VERSION/       an artifact: kanarya.json and the files that it names
    DIR/MODEL/default        a line of text: the version that is the model's default; without this file, the newest is

Nothing outside of DIR is read: a name is one folder's name, and a link is no folder. Newest is the highest: `v10` is newer than
`v9`, and `1.10` than `1.9`.
"""

import re
import stat
from pathlib import Path

from kanarya_contracts.problems import KanaryaError
from kanarya_model.core.feedback import VERSION_PATTERN
from kanarya_model.core.refusal import listed, quoted

DEFAULT_FILE = "default"
NAME_PATTERN = re.compile(r"[0-9a-zA-Z_][0-9a-zA-Z._-]{0,127}")
"""What a model's folder may be called, and so the model."""

_LONGEST_LINE = 256


class Unknown(KanaryaError):
    """There is no such model or version."""


def order(version: str) -> tuple[tuple[tuple[int, str], ...], str]:
    """A key that sorts versions by the numbers in them, oldest first."""
    parts = re.split(r"([0-9]+)", version)
    return tuple((int(part), "") if index % 2 else (-1, part) for index, part in enumerate(parts)), version


class Places:
    """The directory. Raises KanaryaError where there is none."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        if not self.directory.is_dir():
            raise KanaryaError(f"--repository: {directory} is not a directory, expected one with a folder for each model")

    def models(self) -> dict[str, tuple[str, ...]]:
        """Model → its versions, oldest first. Raises KanaryaError."""
        names = sorted(path.name for path in _folders(self.directory) if NAME_PATTERN.fullmatch(path.name))
        return {name: self.versions(name) for name in names}

    def versions(self, model: str) -> tuple[str, ...]:
        """The model's versions, oldest first; none of one that is not there. Raises KanaryaError."""
        if not NAME_PATTERN.fullmatch(model) or not _is_folder(self.directory / model):
            return ()
        names = (path.name for path in _folders(self.directory / model))
        return tuple(sorted((name for name in names if _is_version(name)), key=order))

    def default(self, model: str) -> str | None:
        """The version that the model's `default` file names, if there is one. Raises KanaryaError."""
        path = self.directory / model / DEFAULT_FILE
        try:
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):  # a version that is called so
                return None
            if not stat.S_ISREG(mode):
                raise KanaryaError(f"{model}/{DEFAULT_FILE}: is a link or no file, expected one with a line of text")
            with path.open(encoding="utf-8") as file:
                named = file.read(_LONGEST_LINE).strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise KanaryaError(f"{model}/{DEFAULT_FILE}: cannot be read ({error})") from None
        if not _is_version(named):
            raise KanaryaError(f"{model}/{DEFAULT_FILE}: got {quoted(named)}, expected the name of a version")
        return named

    def chosen(self, model: str, version: str | None = None) -> str:
        """The version that is there and meant: this one, the named default, or the newest. Raises Unknown or KanaryaError."""
        there = self.versions(model)
        if not there:
            models = listed(tuple(self.models())) or "none, for the repository is empty"
            raise Unknown(f"model: got {quoted(model)}, expected one with a version in the repository: {models}")
        wanted = version or self.default(model) or there[-1]
        if wanted not in there:
            raise Unknown(f"version: got {quoted(wanted)} of model {quoted(model)}, expected {listed(there[::-1])}")
        return wanted

    def artifact(self, model: str, version: str) -> Path:
        """Where the artifact lies, of a version that `chosen` has returned."""
        return self.directory / model / version


def _is_version(name: str) -> bool:
    return VERSION_PATTERN.fullmatch(name) is not None and not name.startswith(".")


def _folders(directory: Path) -> list[Path]:
    try:
        return [path for path in directory.iterdir() if _is_folder(path)]
    except OSError as error:
        raise KanaryaError(f"{directory.name}: cannot be listed ({error.strerror})") from None


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
