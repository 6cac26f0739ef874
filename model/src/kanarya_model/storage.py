"""Where an artifact lies becomes a local directory. Called by `server`; `records` write to the same kind of place.

A path is used as it is. `s3://bucket/prefix` is fetched whole into a directory of its own, which goes when the model has been
loaded. Endpoint, region and credentials are boto3's business: AWS_ENDPOINT_URL[_S3], AWS_ACCESS_KEY_ID and the rest.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from kanarya_contracts.problems import KanaryaError

SCHEME = "s3"
_CONNECT_SECONDS = 5
_READ_SECONDS = 30


@contextmanager
def local(source: str) -> Iterator[Path]:
    """The artifact's directory, for as long as the context lasts. Raises KanaryaError where it cannot be had."""
    scheme = urlsplit(source).scheme if "://" in source else ""
    if scheme == "":
        yield Path(source)
        return
    if scheme != SCHEME:
        raise KanaryaError(f"{source}: cannot be read, expected a directory or s3://bucket/prefix")
    with tempfile.TemporaryDirectory(prefix="kanarya-model-") as directory:
        _fetch(source, Path(directory))
        yield Path(directory)


def client() -> Any:
    """S3's, which gives up in time."""
    # Imported here: half a second that a local directory need not wait for.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries={"mode": "standard", "total_max_attempts": 3}
    )
    return boto3.client("s3", config=config)


@contextmanager
def said(what: str) -> Iterator[None]:
    """S3's errors as KanaryaError, after these words."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise KanaryaError(f"{what}: {error}") from None


def _fetch(source: str, directory: Path) -> None:
    parts = urlsplit(source)
    prefix = parts.path.strip("/")
    with said(f"{source}: cannot be fetched"):
        s3 = client()
        keys = _keys(s3, parts.netloc, f"{prefix}/" if prefix else "")
        if not keys:
            raise KanaryaError(f"{source}: holds nothing, expected an artifact")
        for key, name in keys.items():
            target = directory / _safe(name, source)
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(parts.netloc, key, str(target))


def _keys(client: Any, bucket: str, prefix: str) -> dict[str, str]:
    """Key → path inside the artifact. A key that ends in a slash is how some tools write a directory."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [str(item["Key"]) for page in pages for item in page.get("Contents", ())]
    return {key: key.removeprefix(prefix) for key in keys if not key.endswith("/")}


def _safe(name: str, source: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise KanaryaError(f"{source}: holds {name!r}, which would be written outside of the artifact's directory")
    return path
