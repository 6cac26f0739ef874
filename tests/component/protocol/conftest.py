"""The protocol, word for word: real artifacts, built once, behind the real application, in this process."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kanarya_model import loaders
from kanarya_model.artifact import read
from kanarya_model.core.model import Model
from kanarya_model.edges.inference import Limits
from kanarya_model.edges.registry import Registry
from kanarya_model.edges.rest import Rest
from kanarya_model.edges.served import Served
from kanarya_model.edges.workers import Workers
from kanarya_model.testing import build

MOST_ROWS = 1000
MOST_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))

    @property
    def error(self) -> str:
        document = self.json()
        assert list(document) == ["error"]
        return str(document["error"])


class Client:
    """Asks the application as uvicorn does."""

    def __init__(self, served: Served, runner: asyncio.Runner) -> None:
        self.served = served
        self.app = Rest(Registry([served]), limits=Limits(body_bytes=MOST_BYTES, rows=MOST_ROWS, in_flight=10))
        self._runner = runner

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, pieces: int = 1) -> Answer:
        given = {"content-type": "application/json", "content-length": str(len(body))} if headers is None else headers
        raw = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
        scope = {"type": "http", "path": path, "method": method, "headers": raw}
        return self._runner.run(self._run(scope, _split(body, pieces)))

    def together(self, *requests: tuple[str, str, bytes], until: Callable[[], object]) -> list[Answer]:
        """Ask all at once, in this order. `until` is called when each of them has got as far as it can."""

        async def run() -> list[Answer]:
            scopes = [{"type": "http", "path": path, "method": method, "headers": []} for method, path, _ in requests]
            bodies = [[body] for _, _, body in requests]
            tasks = [asyncio.create_task(self._run(*one)) for one in zip(scopes, bodies, strict=True)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            until()
            return await asyncio.gather(*tasks)

        return self._runner.run(run())

    def infer(self, body: object, **options: Any) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", "/v2/models/iris/infer", content, **options)

    def metric(self, name: str) -> dict[str, float]:
        """Samples of that name: labels as text → value."""
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        found = [line.removeprefix(name).rpartition(" ") for line in lines if line.startswith((f"{name}{{", f"{name} "))]
        return {labels: float(value) for labels, _, value in found}

    async def _run(self, scope: dict[str, Any], pieces: list[bytes]) -> Answer:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        start, body = sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        assert int(headers["content-length"]) == len(body["body"])
        return Answer(status=start["status"], headers=headers, body=body["body"])


def _split(body: bytes, pieces: int) -> list[bytes]:
    size = -(-len(body) // pieces) or 1
    return [body[start : start + size] for start in range(0, len(body), size)] or [b""]


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Kind → its artifact's directory. Read it; copy it before changing it."""
    root, made = tmp_path_factory.mktemp("artifacts"), {}

    def get(kind: str) -> Path:
        if kind not in made:
            made[kind] = build(root / kind, "numeric", int_labels=True) if kind == "int" else build(root / kind, kind)
        return made[kind]

    return get


@pytest.fixture(scope="session")
def model(artifact: Callable[[str], Path]) -> Callable[[str], Model]:
    """Kind → the loaded model, as version 2."""
    made: dict[str, Model] = {}

    def get(kind: str) -> Model:
        if kind not in made:
            found = read(artifact(kind))
            predictor = loaders.load(found, threads=1)
            made[kind] = Model(
                contract=found.contract, predictor=predictor, name="iris", version="2", digest=found.digest, most_rows=MOST_ROWS
            )
        return made[kind]

    return get


@pytest.fixture(scope="session")
def _runner() -> Iterator[tuple[asyncio.Runner, Workers]]:
    with asyncio.Runner() as runner, closing(Workers(threads=1, waiting=10)) as workers:
        yield runner, workers


@pytest.fixture
def client(model: Callable[[str], Model], _runner: tuple[asyncio.Runner, Workers]) -> Callable[..., Client]:
    """Kind → a client of that model's application, with counters of its own."""
    runner, workers = _runner

    def get(kind: str = "numeric", batch_rows: int = 0) -> Client:
        served = Served(
            model(kind), workers=workers, inline_rows=100, batch_rows=batch_rows, most_series=2000, most_remembered=100
        )
        return Client(served, runner)

    return get
