"""gRPC's messages from their .proto, by the protoc that grpcio-tools brings: the module, and its types for mypy."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import documents
from grpc_tools import protoc

SOURCE = "model/proto/open_inference.proto"
TARGET = "model/src/kanarya_model/edges"


def files(root: Path) -> dict[str, Callable[[], str]]:
    """The module and its stub, of what there is under `root`."""
    if not (root / SOURCE).exists():
        return {}
    names = [f"open_inference_pb2.{suffix}" for suffix in ("py", "pyi")]
    return {f"{TARGET}/{name}": lambda name=name: _compiled(root / SOURCE)[name] for name in names}


@cache
def _compiled(source: Path) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as directory:
        flags = [f"-I{source.parent}", f"--python_out={directory}", f"--pyi_out={directory}", str(source)]
        status = protoc.main(["protoc", *flags])
        if status:
            raise SystemExit(f"protoc left with {status} on {source}")
        head = f"# {documents.GENERATED} From {SOURCE}.\n"
        return {path.name: head + path.read_text(encoding="utf-8") for path in Path(directory).iterdir()}
