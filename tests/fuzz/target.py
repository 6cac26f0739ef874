"""What is fuzzed: bytes from a client through every reader of a body, up to the rows that a model would get.

The first byte says which reader. Each ends with rows or with a Refusal whose text is short and printable; any other exception
is a finding. So is a tensor in bytes that, once read and written again, is not the bytes that came.
"""

from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.testing import contract
from kanarya_model.core import raw
from kanarya_model.core.feedback import read_feedback
from kanarya_model.core.inputs import Inputs
from kanarya_model.core.refusal import Refusal
from kanarya_model.core.values import LARGEST_FP32
from kanarya_model.edges.compression import INFLATERS, inflate
from kanarya_model.edges.documents import read_document, refuse_repeats
from kanarya_model.edges.http import check_json, document_length
from kanarya_model.edges.v2_request import read_request

_NUMBERS = [
    {"kind": "numeric", "name": "a", "minimum": 0.0, "maximum": 9.0, "nullable": True},
    {"kind": "numeric", "name": "b", "datatype": "INT8", "minimum": 0.0, "maximum": 9.0},
]
_FLAG = {"kind": "numeric", "name": "flag", "datatype": "BOOL", "minimum": 0.0, "maximum": 1.0}
_WORDS = {"kind": "categorical", "name": "w", "categories": ["x", "y"], "nullable": True}
_MOST = 100


def _inputs(*columns: dict[str, object]) -> Inputs:
    values = {"kind": 0, "numeric": 1, "categorical": "x"}
    example = {
        "inputs": {column["name"]: [values[str(column["kind"])]] for column in columns},
        "outputs": {"label": ["setosa"], "probabilities": [[0.5, 0.5]]},
    }
    reference = {"rows": 1, "features": {}, "predictions": {}}
    made = contract(inputs=list(columns), example=example, reference=reference)
    return Inputs(made, largest=LARGEST_FP32, most_rows=_MOST)


_TARGETS = contract().targets
_MODELS = (_inputs(*_NUMBERS), _inputs(*_NUMBERS, _FLAG, _WORDS))
_OUTPUTS = ("label", "probabilities")


def one(data: bytes) -> None:
    """One input."""
    reader, rest = _READERS.get(data[:1], _document), data[1:]
    try:
        reader(rest)
    except Refusal as refusal:
        text = str(refusal)
        assert 0 < len(text) < 3000, len(text)
        text.encode()
        assert text.isprintable(), text


def _document(body: bytes) -> None:
    _rows(read_request(body, known=_OUTPUTS))


def _document_and_bytes(body: bytes) -> None:
    """The document ends with the first line."""
    _rows(read_request(body, body.find(b"\n") + 1, known=_OUTPUTS))


def _rows(request: object) -> None:
    refusals = 0
    for model in _MODELS:
        try:
            rows = model.rows(request.tensors)  # type: ignore[attr-defined]
        except Refusal:
            refusals += 1
        else:
            assert 0 < rows.count <= _MOST
            model.outside(rows)


def _tensor(content: bytes) -> None:
    """Datatype, then dimensions up to the first byte above 15, then the elements."""
    datatype = list(Datatype)[content[0] % len(Datatype)] if content else Datatype.BYTES
    shape = []
    for byte in content[1:10]:
        if byte > 15:
            break
        shape.append(byte)
    elements = content[1 + len(shape) :]
    assert bytes(raw.write(raw.read(elements, datatype, shape, "t"), datatype)) == elements
    assert datatype is not Datatype.BOOL or set(elements) <= {0, 1}


def _feedback(body: bytes) -> None:
    document = read_document(body)
    refuse_repeats(body, document)
    report = read_feedback(document, version="2", targets=_TARGETS, most_rows=_MOST)
    assert 0 < report.right + report.wrong == report.rows <= _MOST


def _headers(content: bytes) -> None:
    kind, _, length = content.partition(b"\n")
    check_json({b"content-type": kind})
    document_length({b"inference-header-content-length": length})


def _inflated(content: bytes) -> None:
    codings = sorted(INFLATERS)
    coding = codings[content[0] % len(codings)] if content else codings[0]
    assert len(inflate(content[1:], coding, 1000)) <= 1000


_READERS = {
    b"j": _document,
    b"b": _document_and_bytes,
    b"t": _tensor,
    b"f": _feedback,
    b"h": _headers,
    b"z": _inflated,
}
