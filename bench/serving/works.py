"""What is measured: for each work, the request, the load, the servers, and what is hoped for."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Rows = list[list[float]]


@dataclass(frozen=True, kw_only=True)
class Message:
    """One request, the same for every server of a work unless it says so."""

    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Work:
    name: str
    title: str
    ours: str
    """The peer that is ours, by its name in `peers`."""
    goals: dict[str, float]
    """Peer → how often ours should do what it does. Below 1: a share that ours should reach."""
    beside: tuple[str, ...] = ()
    """Peers without a goal: they show what would be possible."""
    connections: int = 16
    load: Literal["wrk", "ghz", "paced"] = "wrk"
    theirs_message: Callable[[Rows], Message] = field(default=lambda rows: as_json(rows[:1]))
    ours_message: Callable[[Rows], Message] | None = None

    def message(self, peer: str, rows: Rows) -> Message:
        return (self.ours_message or self.theirs_message)(rows) if peer == self.ours else self.theirs_message(rows)

    @property
    def peers(self) -> list[str]:
        return [*self.goals, *self.beside, self.ours]


def as_json(rows: Rows) -> Message:
    data = [value for row in rows for value in row]
    document = {"inputs": [{"name": "input-0", "shape": [len(rows), 4], "datatype": "FP64", "data": data}]}
    return Message(body=json.dumps(document).encode(), headers={"Content-Type": "application/json"})


def as_bytes(rows: Rows) -> Message:
    """The binary tensor extension, the answer in bytes too."""
    data = struct.pack(f"<{4 * len(rows)}d", *(value for row in rows for value in row))
    tensor = {"name": "input-0", "shape": [len(rows), 4], "datatype": "FP64", "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return Message(body=head + data, headers=headers)


def thousand(rows: Rows) -> Rows:
    return (rows * 7)[:1024]


WORKS = (
    Work(
        name="row",
        title="1 row JSON, logistic regression",
        ours="kanarya",
        goals={"KServe": 15, "MLServer": 15, "FastAPI": 6, "bare ASGI": 0.5},
    ),
    Work(
        name="calm",
        title="p99 of the same at half of KServe's most",
        ours="kanarya",
        goals={"KServe": 10},
        beside=("bare ASGI",),
        load="paced",
    ),
    Work(
        name="forest-onnx",
        title="1 row JSON, RandomForest(100), ONNX",
        ours="kanarya forest",
        goals={"KServe forest": 80},
        beside=("bare ASGI forest",),
    ),
    Work(
        name="forest-skops",
        title="1 row JSON, RandomForest(100), skops",
        ours="kanarya forest skops",
        goals={"KServe forest": 20},
        connections=64,
    ),
    Work(
        name="json-1024",
        title="1,024 rows JSON, logistic regression",
        ours="kanarya",
        goals={"KServe": 5},
        beside=("bare ASGI",),
        connections=4,
        theirs_message=lambda rows: as_json(thousand(rows)),
    ),
    Work(
        name="binary-1024",
        title="1,024 rows binary, logistic regression (KServe: JSON)",
        ours="kanarya",
        goals={"KServe": 20},
        connections=4,
        theirs_message=lambda rows: as_json(thousand(rows)),
        ours_message=lambda rows: as_bytes(thousand(rows)),
    ),
    Work(
        name="grpc",
        title="1 row gRPC, logistic regression",
        ours="kanarya gRPC",
        goals={"KServe gRPC": 4},
        beside=("bare gRPC",),
        load="ghz",
    ),
    Work(
        name="counted",
        title="1 row JSON, counters on against off",
        ours="kanarya",
        goals={"kanarya uncounted": 0.95},
    ),
)
