"""What every edge serves: a model version with its counters, and threads for predictions that the event loop cannot wait for.

Made by `server`; shared by all edges of a process, so that a version is counted once, whichever door its requests come by.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Protocol, TypeVar

from kanarya_contracts.artifact import ArtifactContract, CategoricalTarget
from kanarya_contracts.metrics import Edge
from kanarya_model.core.evidence import Evidence, Seen
from kanarya_model.core.feedback import Labelled
from kanarya_model.core.inputs import MATRIX_NAMES, Rows
from kanarya_model.core.model import Model, Prediction
from kanarya_model.core.pairs import Pairs
from kanarya_model.core.reports import Reports
from kanarya_model.core.request import Answered
from kanarya_model.edges.batcher import Batcher, LoopBatcher, ThreadBatcher
from kanarya_model.edges.workers import Gone, Workers, never_gone
from kanarya_model.metrics import Counts

_PLATFORMS = {"onnx": "onnx_onnxv1", "skops": "sklearn_skops", "lightgbm": "lightgbm_text", "xgboost": "xgboost_json"}

_T = TypeVar("_T")


class Sampled(Protocol):
    """Who writes requests down."""

    def take(self, answered: Answered, edge: Edge, seconds: float, request_id: bytes | None, *, copy: bool) -> None:
        """Keep an answered request, or do not; never waits. `seconds`: how long it took. `copy`: nobody got the answer."""
        ...


class Served:
    """A model version with what belongs to it here.

    More than `inline_rows` are predicted by `workers`; requests are merged up to `batch_rows` rows, where that is not 0;
    features are counted in at most `most_series` series; of copies, the predictions on at most `most_remembered` rows wait for
    their labels; `sampled` keeps requests, where there is a request log.
    """

    def __init__(
        self,
        model: Model,
        *,
        workers: Workers,
        inline_rows: int,
        batch_rows: int,
        most_series: int,
        most_remembered: int = 0,
        sampled: Sampled | None = None,
        reports: Reports | None = None,
    ) -> None:
        """`reports`: those of the model's other versions here, where there are any."""
        contract = model.contract
        self.model = model
        self.sampled = sampled
        self._evidence = Evidence(contract, most_series=most_series)
        self.counts, self.copies = (
            Counts(
                model=model.name,
                version=model.version,
                digest=model.digest,
                contract=contract,
                evidence=self._evidence,
            )
            for _ in range(2)
        )
        self.pairs = Pairs(most=most_remembered)
        self.reports = reports or Reports(model.name)
        self._label = _label(contract)
        self._version = model.version.encode()
        self._workers = workers
        self._inline_rows = inline_rows if model.quick else 0
        self._batcher = self._make_batcher(batch_rows) if batch_rows else None

    def _make_batcher(self, most_rows: int) -> Batcher:
        # Nothing here points back at `self`: without a cycle, a version that was let go is gone with its last request.
        predict = partial(_predicted, self.model, self._evidence)
        if not self.model.quick:
            return ThreadBatcher(predict, self._workers, most_rows=most_rows, went=self.counts.went)
        return LoopBatcher(predict, most_rows=min(most_rows, self._inline_rows), went=self.counts.went_at_once)

    @property
    def in_flight(self) -> int:
        """Requests for inference that have begun here and not ended."""
        return self.counts.in_flight + self.copies.in_flight

    @property
    def merges_in_threads(self) -> bool:
        """Whether requests that wait for a thread are predicted together."""
        return self._batcher is not None and not self.model.quick

    def counting(self, mirrored_to: bytes | None) -> Counts:
        """Where a request with this HEADER_MIRRORED_TO is counted: in `copies` if it is one, and its answer reaches nobody."""
        return self.copies if mirrored_to == self._version else self.counts

    def predicted(self, identity: str | None, prediction: Prediction) -> None:
        """The answer to a copy of the request with that id, for `pairs`."""
        if self._label is not None:
            self.pairs.predicted(identity, prediction.output(self._label).ravel().tolist())

    def told(self, labels: Sequence[Labelled]) -> None:
        """Labels of requests that another version answered, for `pairs`."""
        if self._label is not None:
            self.pairs.told(labels)

    def is_quick(self, rows: Rows) -> bool:
        """Whether a change of threads would cost more than it saves."""
        return rows.count <= self._inline_rows

    def predict_here(self, rows: Rows) -> Prediction:
        """The model's answer, in the thread that asks: for quick rows, and edges with threads. Raises Refusal or ModelFault."""
        return _predicted(self.model, self._evidence, rows)

    async def predict(self, rows: Rows, gone: Gone = never_gone) -> Prediction:
        """The model's answer, from a thread where it may take long. Raises Refusal, ModelFault, Overloaded or ClientLeft."""
        quick = self.is_quick(rows)
        if self._batcher is not None and (quick or not self.model.quick):
            return await self._batcher.predict(rows, gone)
        if quick:
            prediction = self.model.predict(rows)
            if self._evidence.add(rows):
                asyncio.get_running_loop().call_soon(self._evidence.fold)
            return prediction
        return await self.aside(lambda: (rows, self.model.predict(rows)), gone)

    async def aside(self, work: Callable[[], tuple[Rows, _T]], gone: Gone) -> _T:
        """What `work` makes of the rows that it names, from a thread. Raises what it raises, Overloaded or ClientLeft."""
        made, seen, waited = await self._workers.run(partial(self._looked, work, perf_counter()), gone)
        self._evidence.take(seen)
        self.counts.queue.observe(waited)
        return made

    def _looked(self, work: Callable[[], tuple[Rows, _T]], asked: float) -> tuple[_T, list[Seen], float]:
        waited = perf_counter() - asked
        rows, made = work()
        return made, self._evidence.look(rows), waited

    def metadata(self, versions: Sequence[str]) -> dict[str, object]:
        """V2's model metadata. `versions`: those of this model that may be asked for."""
        model, contract = self.model, self.model.contract
        properties = {"digest": model.digest, "format": contract.runtime.format, "task": contract.task}
        several = len(contract.targets) > 1
        for target in contract.targets:
            suffix = f".{target.name}" if several else ""
            if isinstance(target, CategoricalTarget):
                properties[f"classes{suffix}"] = ",".join(target.classes)
            else:
                properties[f"error_bound{suffix}"] = f"{target.error_bound:g}"
        if model.inputs.takes_matrix:
            properties["matrix"] = MATRIX_NAMES[0]
        return {
            "name": model.name,
            "versions": list(versions),
            "platform": _PLATFORMS[contract.runtime.format],
            "inputs": [{"name": one.name, "datatype": one.datatype.value, "shape": [-1]} for one in contract.inputs],
            "outputs": [
                {"name": one.name, "datatype": one.datatype.value, "shape": list(one.shape)} for one in contract.outputs
            ],
            "properties": properties,
        }


def _predicted(model: Model, evidence: Evidence, rows: Rows) -> Prediction:
    prediction = model.predict(rows)
    if evidence.add(rows):
        evidence.fold()
    return prediction


def _label(contract: ArtifactContract) -> str | None:
    """The output that is right or wrong by itself: of one target of classes. Of others, no pairs are made."""
    if len(contract.targets) == 1 and isinstance(contract.targets[0], CategoricalTarget):
        return contract.targets[0].label
    return None
