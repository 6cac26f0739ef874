"""V1 (TensorFlow Serving's `:predict`, as KServe has it) over REST. Called by `inference`.

    {"instances": [[5.1, 3.5, 1.4, 0.2], …]}             a list a row, in the contract's order
    {"instances": [{"sepal_length": 5.1, …}, …]}         an object a row, by the columns' names
    → {"predictions": ["setosa", …]}                     a label or a number a row
    → {"predictions": [{"colour": "red", …}, …]}         with several targets, an object a row; of a transformer, a list a row

For whom V1 is what there is: it has no datatypes and no probabilities. What is sent is held to the contract as in V2: a number
for a column of numbers, a string for one of words, nothing missing and nothing more.
"""

from functools import partial

import orjson

from kanarya_contracts.artifact import CategoricalColumn, Column
from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.metrics import Edge
from kanarya_model.core.inputs import InputTensor, Rows
from kanarya_model.core.model import Prediction
from kanarya_model.core.refusal import Reason, Refusal, listed, quoted, shown
from kanarya_model.core.request import Answered
from kanarya_model.edges.documents import read_document, refuse_repeats
from kanarya_model.edges.http import FORM, LONG_BODY, Headers, Reply, check_json
from kanarya_model.edges.served import Served
from kanarya_model.edges.workers import Gone


class V1Exchange:
    """V1's words for one model."""

    edge = Edge.V1_REST

    def __init__(self, one: Served, *, most_rows: int) -> None:
        self._one = one
        self._inputs = one.model.inputs
        contract = one.model.contract
        columns = contract.inputs
        self._outputs = {target.name: target.outputs[0] for target in contract.targets} or {
            tensor.name: tensor.name for tensor in contract.outputs
        }
        self._names = tuple(column.name for column in columns)
        self._datatypes = tuple(_datatype(column) for column in columns)
        self._most_rows = most_rows

    def check(self, headers: Headers) -> None:
        """Refuse a body by how it is announced."""
        check_json(headers, also=FORM)

    async def answer(self, headers: Headers, body: bytes, gone: Gone) -> tuple[Reply, Answered]:  # noqa: ARG002 (as every exchange)
        """The reply and what it answers."""
        if len(body) > LONG_BODY:
            answered = await self._one.aside(partial(self._whole, body), gone)
        else:
            rows = self._rows(body)
            answered = Answered(None, rows, await self._one.predict(rows, gone))
        return Reply(status=200, body=orjson.dumps({"predictions": self._predictions(answered.prediction)})), answered

    def _predictions(self, prediction: Prediction) -> list[object]:
        """What is said of each row."""
        columns = [prediction.output(output) for output in self._outputs.values()]
        if len(columns) == 1:
            said: list[object] = columns[0].tolist()
            return said
        return [dict(zip(self._outputs, row, strict=True)) for row in zip(*(one.tolist() for one in columns), strict=True)]

    def _whole(self, body: bytes) -> tuple[Rows, Answered]:
        rows = self._rows(body)
        return rows, Answered(None, rows, self._one.model.predict(rows))

    def _rows(self, body: bytes) -> Rows:
        document = read_document(body)
        refuse_repeats(body, document)
        rows = self._instances(document)
        columns = zip(self._names, self._datatypes, zip(*rows, strict=True), strict=True)
        return self._inputs.rows(
            [
                InputTensor(
                    name=name, datatype=datatype, shape=(len(rows),), data=list(elements), where=f"instances: {quoted(name)}"
                )
                for name, datatype, elements in columns
            ]
        )

    def _instances(self, document: dict[str, object]) -> list[list[object]]:
        """A list a row, in the contract's order."""
        for name in document:
            if name != "instances":
                raise Refusal(Reason.FIELD, f"body: got the member {quoted(name)}, expected instances alone")
        instances = document.get("instances")
        if type(instances) is not list or not instances:
            got = shown(instances) if "instances" in document else "nothing"
            raise Refusal(Reason.FIELD, f"instances: got {got}, expected a list of at least one row")
        if len(instances) > self._most_rows:
            raise Refusal(
                Reason.LIMIT, f"instances: got {len(instances)} rows, expected at most {self._most_rows} in a request"
            )
        return [self._row(instance, f"instances[{index}]") for index, instance in enumerate(instances)]

    def _row(self, instance: object, where: str) -> list[object]:
        names = self._names
        if type(instance) is list:
            if len(instance) != len(names):
                message = f"{where}: got a list of {len(instance)}, expected {len(names)}, one each for {listed(names)}"
                raise Refusal(Reason.SHAPE, message)
            return instance
        if type(instance) is not dict:
            raise Refusal(Reason.FIELD, f"{where}: got {shown(instance)}, expected a list or an object with {listed(names)}")
        for name in instance:
            if name not in names:
                raise Refusal(Reason.TENSOR, f"{where}: got the member {quoted(name)}, expected {listed(names)}")
        missing = tuple(name for name in names if name not in instance)
        if missing:
            raise Refusal(Reason.TENSOR, f"{where}: {listed(missing)} missing")
        return [instance[name] for name in names]


def _datatype(column: Column) -> Datatype:
    # FP64 for every number: V1 has no datatypes. A column of integers takes 5 and 5.0 alike, and `core` refuses 5.5 there.
    return column.datatype if isinstance(column, CategoricalColumn) or column.datatype is Datatype.BOOL else Datatype.FP64
