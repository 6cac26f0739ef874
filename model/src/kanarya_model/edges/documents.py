"""JSON bodies, read strictly. Called by the REST edges.

JSON's decoder keeps the last of two members of a name, and the reader in front of us may keep the first. Every member's name
and every string has two quotation marks, so counting those in the bytes tells at once that nothing was dropped; only when the
count differs (a repeated member, or an escaped quotation mark) is the body read again, slowly, to be sure.
"""

import json

import orjson

from kanarya_model.core.refusal import Reason, Refusal, quoted, shown


def read_document(body: bytes) -> dict[str, object]:
    """A body as a JSON object: UTF-8 without a byte order mark, no NaN, no infinity, nothing after it. Raises Refusal."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(Reason.BODY, f"body: got {len(body)} bytes that are not JSON, {error}") from None
    if type(document) is not dict:
        raise Refusal(Reason.BODY, f"body: got {shown(document)}, expected an object")
    return document


def refuse_repeats(body: bytes, document: dict[str, object]) -> None:
    """Refuse a body, read as that document, in which an object has two members of a name."""
    if body.count(b'"') == 2 * _strings(document):
        return
    try:
        json.loads(body, object_pairs_hook=_once, parse_int=str, parse_float=str)
    except RecursionError:
        raise Refusal(Reason.BODY, "body: is nested too deeply") from None


def _strings(document: dict[str, object]) -> int:
    """Strings in a checked document, names of members included."""
    count = 0
    pending: list[object] = [document]
    while pending:
        value = pending.pop()
        if type(value) is dict:
            count += len(value)
            # Shapes and elements of numeric tensors hold no string; where they do, `core` refuses them anyway.
            skipped = ("shape", "data") if value.get("datatype", "BYTES") != "BYTES" else ("shape",)
            pending += [item for name, item in value.items() if name not in skipped]
        elif type(value) is list:
            pending += value
        elif type(value) is str:
            count += 1
    return count


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise Refusal(Reason.FIELD, f"body: the member {quoted(repeated)} is given twice in one object")
    return members
