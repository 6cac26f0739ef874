"""Where a request's time goes: each piece of the server called in a loop by itself, for the works of `make bench-serving`.

    make bench-pieces      or   .venv/bin/python -m bench.serving.pieces [--loops 7]

Microseconds of one core, the least of some loops, which a busy machine changes little. `runtime` is ONNX Runtime's own call,
which `predicted` contains: below the two no server round that model can come. What HTTP, gRPC and the kernel take is not here:
it is what is left of a second that the benchmark's requests a second are divided by.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from sklearn.datasets import load_iris

from bench.figures import CONSOLE, Run, table
from bench.serving.works import Message, as_bytes, as_json, thousand
from kanarya_contracts.metrics import Edge
from kanarya_model import hosted
from kanarya_model.edges import open_inference_pb2 as pb
from kanarya_model.edges import v2_proto
from kanarya_model.edges.http import document_length
from kanarya_model.edges.v2_request import read_request
from kanarya_model.edges.v2_response import ResponseWriter
from kanarya_model.testing import build

PIECES = ("read", "into an array", "predicted", "runtime", "written", "counted")


def took(call: Callable[[], object], loops: int) -> float:
    """Microseconds of one call."""
    call()
    began = time.perf_counter()
    call()
    each = max(1, int(0.05 / max(time.perf_counter() - began, 1e-7)))
    found = []
    for _ in range(loops):
        began = time.perf_counter()
        for _ in range(each):
            call()
        found.append((time.perf_counter() - began) / each)
    return 1e6 * min(found)


def over_rest(artifact: Path, message: Message, loops: int) -> dict[str, float]:
    """Of a request over REST."""
    one = hosted.served(hosted.chosen(artifact, {}))
    one.counts.opened(Edge.V2_REST)
    model, length = one.model, document_length({key.lower().encode(): value.encode() for key, value in message.headers.items()})
    writer = ResponseWriter(model=model.name, version=model.version, contract=model.contract)
    request = read_request(message.body, length, known=model.outputs)
    rows = model.inputs.rows(request.tensors)
    prediction = one.predict_here(rows)
    calls = {
        "read": lambda: read_request(message.body, length, known=model.outputs),
        "into an array": lambda: model.inputs.rows(request.tensors),
        "predicted": lambda: model.predict(rows),
        "runtime": runtime(artifact, rows.count),
        "written": lambda: writer.write(request, prediction),
        "counted": lambda: one.counts.succeeded(Edge.V2_REST, 0.001, prediction),
    }
    return {name: took(calls[name], loops) for name in PIECES}


def over_grpc(artifact: Path, row: list[float], loops: int) -> dict[str, float]:
    """Of a request over gRPC."""
    one = hosted.served(hosted.chosen(artifact, {}))
    one.counts.opened(Edge.V2_GRPC)
    model = one.model
    given: Any = pb.ModelInferRequest(model_name=model.name)
    tensor = given.inputs.add(name="input-0", datatype="FP64", shape=[1, len(row)])
    tensor.contents.fp64_contents.extend(row)
    content = given.SerializeToString()
    writer = v2_proto.ResponseWriter(model)
    request = v2_proto.read_request(v2_proto.parse(content), model.outputs)
    rows = model.inputs.rows(request.tensors)
    prediction = one.predict_here(rows)
    calls = {
        "read": lambda: v2_proto.read_request(v2_proto.parse(content), model.outputs),
        "into an array": lambda: model.inputs.rows(request.tensors),
        "predicted": lambda: model.predict(rows),
        "runtime": runtime(artifact, 1),
        "written": lambda: writer.write(request, prediction, as_raw=False),
        "counted": lambda: one.counts.succeeded(Edge.V2_GRPC, 0.001, prediction),
    }
    return {name: took(calls[name], loops) for name in PIECES}


def runtime(artifact: Path, rows: int) -> Callable[[], object]:
    """ONNX Runtime's call alone, on one thread, as the server makes it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(artifact / "model.onnx"), options, providers=["CPUExecutionProvider"])
    values = np.array(thousand(load_iris().data.tolist())[:rows], np.float32)
    outputs = [one.name for one in session.get_outputs() if "string" not in one.type]  # places of labels, and no words
    given = {session.get_inputs()[0].name: values}
    return lambda: session.run(outputs, given)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.serving.pieces", description=__doc__.splitlines()[0])
    parser.add_argument("--loops", type=int, default=7, help="the least of so many counts")
    options = parser.parse_args()
    run, rows = Run("serving-pieces", options), load_iris().data.tolist()
    with tempfile.TemporaryDirectory() as scratch:
        logistic, forest = (build(Path(scratch) / kind, kind) for kind in ("numeric", "forest-onnx"))
        found = {
            "1 row JSON, logistic regression": over_rest(logistic, as_json(rows[:1]), options.loops),
            "1 row JSON, RandomForest(100), ONNX": over_rest(forest, as_json(rows[:1]), options.loops),
            "1,024 rows JSON, logistic regression": over_rest(logistic, as_json(thousand(rows)), options.loops),
            "1,024 rows binary, logistic regression": over_rest(logistic, as_bytes(thousand(rows)), options.loops),
            "1 row gRPC, logistic regression": over_grpc(logistic, rows[0], options.loops),
        }
    shown = table("Pieces of a request, in µs", "request", *PIECES, "together")
    for name, pieces in found.items():
        shown.add_row(name, *(f"{pieces[piece]:.1f}" for piece in PIECES), f"{sum(pieces.values()) - pieces['runtime']:.1f}")
    CONSOLE.print(shown)
    run.write(pieces=found)


if __name__ == "__main__":
    main()
