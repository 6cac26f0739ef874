"""Answered requests as rows of a table, what is personal made unreadable; a table as a Parquet file. Called by `requests`.

A row is one row of a request: names and meanings stand in `kanarya_contracts.records`. Numbers are doubles, NaN where one is
missing; words are strings, null where one is. A personal column is left out, or holds a digest in place of each value:
HMAC-SHA256 under the server's key over the column's name and the value, its first 128 bits in hexadecimal. Equal values of a
column have equal digests, those of two columns do not, and nobody without the key can tell from a guess whether it is right.
"""

import hmac
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np
from arro3.core import Array, DataType, RecordBatch, Table, list_array
from arro3.io import write_parquet

from kanarya_contracts import records
from kanarya_contracts.artifact import ArtifactContract, CategoricalColumn, CategoricalTarget, Column
from kanarya_contracts.metrics import Edge
from kanarya_model.core.model import Model
from kanarya_model.core.request import Answered
from kanarya_model.core.values import Numbers, Words

Batch = RecordBatch
"""Rows in columns."""

_DIGEST_BYTES = 16
_COMPRESSION = "zstd(1)"


class Kept(NamedTuple):
    """A request that was drawn. A tuple, for many are made."""

    at: float
    """Seconds since the epoch, when its answer went out."""
    edge: Edge
    copy: bool
    """Nobody got the answer."""
    seconds: float
    request_id: bytes | None
    answered: Answered


def batch(contract: ArtifactContract, kept: Sequence[Kept], key: bytes | None) -> Batch:
    """The rows of these requests, at least one. `key` is needed where a column is hashed."""
    counts = [one.answered.rows.count for one in kept]

    def spread(values: Iterable[object], kind: DataType) -> Array:
        return Array(list(chain.from_iterable(map(repeat, values, counts))), type=kind)

    columns = {
        records.TIME: spread((round(one.at * 1e6) for one in kept), DataType.int64()).cast(DataType.timestamp("us", tz="UTC")),
        records.REQUEST_ID: spread((one.request_id and one.request_id.decode("latin-1") for one in kept), DataType.utf8()),
        records.ID: spread((one.answered.id for one in kept), DataType.utf8()),
        records.EDGE: spread((one.edge.value for one in kept), DataType.utf8()),
        records.COPY: spread((one.copy for one in kept), DataType.bool()),
        records.SECONDS: spread((one.seconds for one in kept), DataType.float64()),
        records.ROW: Array.from_numpy(np.concatenate([np.arange(count, dtype=np.int32) for count in counts])),
    }
    return RecordBatch.from_pydict({**columns, **dict(_inputs(contract, kept, key)), **dict(_outputs(contract, kept))})


def parquet(batches: Sequence[Batch], about: Mapping[str, str]) -> bytes:
    """A file's bytes. `about` stands beside the rows, as its metadata."""
    file = io.BytesIO()
    write_parquet(Table.from_batches(batches), file, compression=_COMPRESSION, key_value_metadata=dict(about))
    return file.getvalue()


def about(model: Model) -> dict[str, str]:
    """Which model answered, and what the places in a list of its outputs mean."""
    return {
        records.MODEL: model.name,
        records.VERSION: model.version,
        "digest": model.digest,
        "classes": json.dumps({one.name: one.classes for one in model.contract.targets if isinstance(one, CategoricalTarget)}),
    }


def _inputs(contract: ArtifactContract, kept: Sequence[Kept], key: bytes | None) -> Iterator[tuple[str, Array]]:
    rows = [one.answered.rows for one in kept]
    matrix = np.concatenate([one.matrix for one in rows if one.matrix is not None]) if rows[0].matrix is not None else None
    for index, column in enumerate(contract.inputs):
        if column.personal != "drop":
            values = np.concatenate([one.columns[index] for one in rows]) if matrix is None else matrix[:, index]
            yield records.INPUT + column.name, _input(column, values, key)


def _input(column: Column, values: Numbers | Words, key: bytes | None) -> Array:
    if column.personal == "hash":
        assert key is not None  # noqa: S101 (`requests` has looked)
        return Array([_digest(key, column.name, value) for value in values.tolist()], type=DataType.utf8())
    if isinstance(column, CategoricalColumn):
        return Array(values.tolist(), type=DataType.utf8())
    return Array.from_numpy(np.ascontiguousarray(values, np.float64))


def _digest(key: bytes, column: str, value: object) -> str | None:
    if value is None or value != value:  # noqa: PLR0124 (NaN)
        return None
    text = str(value + 0.0) if isinstance(value, float) else str(value)  # one zero, not two
    return hmac.digest(key, f"{column}\0{text}".encode(), "sha256")[:_DIGEST_BYTES].hex()


def _outputs(contract: ArtifactContract, kept: Sequence[Kept]) -> Iterator[tuple[str, Array]]:
    for tensor in contract.outputs:
        values = np.concatenate([one.answered.prediction.output(tensor.name) for one in kept])
        yield records.OUTPUT + tensor.name, _lists(values) if values.ndim > 1 else _plain(values)


def _plain(values: Numbers | Words) -> Array:
    return Array(values.tolist(), type=DataType.utf8()) if values.dtype == object else Array.from_numpy(values)


def _lists(values: Numbers) -> Array:
    rows, width = values.shape
    return list_array(Array.from_numpy(np.arange(0, (rows + 1) * width, width, dtype=np.int32)), _plain(values.ravel()))
