"""Where the request log's files lie: a directory, or `s3://bucket/prefix`. A file is there whole, or not at all. Called by
`requests`, from its own thread."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from kanarya_contracts.problems import KanaryaError
from kanarya_model import storage

Write = Callable[[str, bytes], None]
"""Write a file: its name, with slashes for folders, and its bytes. Raises KanaryaError."""


def writer(target: str) -> Write:
    """For that place. Raises KanaryaError where nothing can be written to a directory, or the scheme is unknown."""
    scheme = urlsplit(target).scheme if "://" in target else ""
    if scheme == storage.SCHEME:
        return _to_s3(target)
    if scheme:
        raise KanaryaError(f"--request-log: got {target!r}, expected a directory or s3://bucket/prefix")
    return _to_disk(Path(target))


def _to_disk(directory: Path) -> Write:
    def write(name: str, content: bytes) -> None:
        path = directory / name
        draft = path.with_name(f".{path.name}.draft")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(content)
            draft.replace(path)
        except OSError as error:
            raise KanaryaError(f"{path}: cannot be written ({error.strerror})") from None

    trial = directory / ".trial"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        raise KanaryaError(f"--request-log: {directory} cannot be written to ({error.strerror})") from None
    return write


def _to_s3(target: str) -> Write:
    parts = urlsplit(target)
    prefix = parts.path.strip("/")
    with storage.said(target):
        client = storage.client()

    def write(name: str, content: bytes) -> None:
        key = f"{prefix}/{name}" if prefix else name
        with storage.said(f"{target}: {name} cannot be written"):
            client.put_object(Bucket=parts.netloc, Key=key, Body=content)

    return write
