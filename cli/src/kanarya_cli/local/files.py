"""Files that are written whole or not at all. Used by whatever keeps a document under local mode's state directory.

Owns the temporary file beside the target, until the rename. Refuses nothing; turns OSError into a sentence.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kanarya_rollout.ports import Unreachable


class NotWritten(Unreachable):
    """The disk is full, the directory is not ours, … What was there before is there still."""


def write(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace `path` in one step: a reader, or a machine that loses power, sees the old content or the new.

    With `durable=False` the content is not flushed to the disk first. Raises NotWritten and leaves no temporary file.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
        if durable:
            _sync_directory(path.parent)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
        raise not_written(path, error) from None


def write_json(path: Path, document: object, *, durable: bool = True) -> None:
    """`write`, of an indented JSON document."""
    write(path, (json.dumps(document, indent=2) + "\n").encode(), durable=durable)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path` (made if need be) among every process that asks for it this way."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise not_written(path, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def not_written(path: Path, error: OSError) -> NotWritten:
    """The sentence for a write that failed."""
    why = error.strerror or str(error)
    if isinstance(error, FileExistsError | NotADirectoryError):
        why = f"{next(one for one in path.parents if one.is_file())} is a file, expected a directory"
    help_for = "make room or the directory writable, or choose another with --state"
    return NotWritten(f"{path} cannot be written: {why}. Nothing was lost; {help_for}")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
