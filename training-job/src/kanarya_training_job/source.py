"""Where rows come from: a file, S3 or HTTPS; CSV or Parquet. Called by the pipeline's `load`.

Owns the bytes and their digest, and what can be wrong with them before anyone knows what the columns mean. Names the source
as people know it, without a query string or credentials: those of a presigned address are a secret.
"""

import csv
import hashlib
import io
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd

from kanarya_contracts.problems import InvalidInput, Problem
from kanarya_training_job.row_settings import DataSource, is_remote

CONNECT_SECONDS = 5.0
"""To be connected to S3 or an HTTPS server. One that does not answer is an error in seconds, not minutes."""

READ_SECONDS = 60.0
"""Between two pieces of a download."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows as read, before anything was checked or changed."""

    frame: pd.DataFrame
    """Index: the row's position in the source, from 0."""
    sha256: str
    """`sha256:…` of the bytes as read."""
    source: str
    """Where from, fit to be shown and kept."""
    first_line: int | None
    """Line of row 0 in the source; None where rows have no lines (Parquet)."""


def read(source: DataSource, *, text_columns: Sequence[str] = ()) -> Table:
    """Fetch and parse. `text_columns` are read as words even where they look like numbers ("007").

    Raises InvalidInput: unreadable, empty, no rows, another encoding, not in that format, a column twice.
    """
    shown = _shown(source.source)
    content = _fetch(source.source, shown)
    if not content:
        raise _invalid(shown, "is empty (0 bytes)")
    frame = _parse(content, source, shown, text_columns)
    if frame.empty:
        raise _invalid(shown, f"has a header with {len(frame.columns)} columns and no rows")
    sha256 = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Table(frame=frame, sha256=sha256, source=shown, first_line=None if _format(source) == "parquet" else 2)


def _invalid(shown: str, message: str, line: int | None = None) -> InvalidInput:
    return InvalidInput(shown, [Problem(path=(), message=message, line=line)])


def _shown(source: str) -> str:
    """The source without what may be secret or belongs to one machine: credentials, query, directories."""
    if not is_remote(source):
        return Path(source).name
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _format(source: DataSource) -> str:
    return source.format or ("parquet" if urlsplit(source.source).path.endswith((".parquet", ".pq")) else "csv")


# --- bytes -----------------------------------------------------------------------------------------------------------


def _fetch(source: str, shown: str) -> bytes:
    if not is_remote(source):
        return _from_file(Path(source))
    return _from_s3(source, shown) if source.startswith("s3://") else _from_https(source, shown)


def _from_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _invalid(str(path), f"cannot be read: {error.strerror}") from None


def _from_s3(source: str, shown: str) -> bytes:
    parts = urlsplit(source)
    bucket, key = parts.netloc, parts.path.lstrip("/")
    if not bucket or not key:
        raise _invalid(shown, "is not an object's address, expected s3://bucket/key")
    import boto3  # noqa: PLC0415 (0.4 s that a file does not need)
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415

    config = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": 2})
    try:
        client = boto3.Session().client("s3", config=config)  # boto3's default session would remember earlier credentials
        content: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except NoCredentialsError:
        raise _invalid(shown, "cannot be read: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from None
    except ClientError as error:
        detail = error.response["Error"]
        raise _invalid(shown, f"cannot be read: {detail.get('Code')}: {detail.get('Message', '')}") from None
    except BotoCoreError as error:
        raise _invalid(shown, f"cannot be read: {error}; is AWS_ENDPOINT_URL right?") from None
    return content


def _from_https(source: str, shown: str) -> bytes:
    import httpx  # noqa: PLC0415 (a file does not need it)

    def encrypted_alone(request: httpx.Request) -> None:
        if request.url.scheme != "https":
            raise _invalid(shown, f"redirects to {request.url.scheme}://{request.url.host}, which is not encrypted")

    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    try:
        with httpx.Client(follow_redirects=True, timeout=timeout, event_hooks={"request": [encrypted_alone]}) as client:
            response = client.get(source)
    except httpx.HTTPError as error:
        raise _invalid(shown, f"cannot be read: {str(error) or type(error).__name__}") from None
    if response.status_code != 200:
        raise _invalid(shown, f"cannot be read: the server answered {response.status_code} {response.reason_phrase}")
    return response.content


# --- rows ------------------------------------------------------------------------------------------------------------


def _parse(content: bytes, source: DataSource, shown: str, text_columns: Sequence[str]) -> pd.DataFrame:
    if _format(source) == "parquet":
        return _parse_parquet(content, shown)
    text = _decode(content, source.encoding, shown)
    header = next(csv.reader(io.StringIO(text), delimiter=source.separator), [])
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise _invalid(shown, f"has more than one column named {', '.join(map(repr, repeated))}", line=1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row with too many fields would only be cut short
            return pd.read_csv(
                io.StringIO(text),
                sep=source.separator,
                dtype=dict.fromkeys(text_columns, str),
                index_col=False,
                float_precision="round_trip",  # the default parser is off by a last bit, and the digest of predictions sees it
                low_memory=False,  # in chunks, one column could get two types
            )
    except pd.errors.EmptyDataError:
        raise _invalid(shown, "is empty (no header, no rows)") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise _invalid(shown, f"is not CSV with the separator {source.separator!r}: {error}") from None


def _decode(content: bytes, encoding: str, shown: str) -> str:
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = f"0x{content[error.start]:02x}"
        advice = "set data.encoding to what it is, such as latin-1, cp1252 or utf-16"
        raise _invalid(shown, f"is not {encoding}: byte {byte} at offset {error.start}; {advice}", line=line) from None


def _parse_parquet(content: bytes, shown: str) -> pd.DataFrame:
    import pyarrow as pa  # noqa: PLC0415 (CSV does not need it)

    try:
        return pd.read_parquet(io.BytesIO(content), engine="pyarrow").reset_index(drop=True)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise _invalid(shown, f"is not Parquet: {str(error).splitlines()[0]}") from None
