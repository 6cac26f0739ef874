"""A label's place among its classes, as an output of the graph that says the label. Called by who writes `model.onnx`.

A runtime makes a string a row of a label in words, which costs as much as the prediction. So the node that decides the label is
made to say its class's number, `label.place`, and a second node makes the word of it: who asks for `label` gets what he always
got, and who serves asks for the place. The graph's metadata has the order of the classes under the same name, and a contract
that has them in another order is answered in words. Works on `onnx.ModelProto` by the message's own means; ONNX's library is
not needed.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

PLACE = ".place"
"""What is put after the label's name: int64, a number a row in the order of the contract's classes."""

_INT64 = 7
"""As `onnx.TensorProto` numbers it."""
_INTS, _STRINGS = 7, 8
"""As `onnx.AttributeProto` numbers them."""
_CLASSIFIERS = {
    "LinearClassifier": {_INTS: "classlabels_ints", _STRINGS: "classlabels_strings"},
    "TreeEnsembleClassifier": {_INTS: "classlabels_int64s", _STRINGS: "classlabels_strings"},
}
"""The attribute that lists a node's classes, by their type."""
_ENCODER = {_INTS: "values_int64s", _STRINGS: "values_strings"}
_DOMAIN, _VERSION = "ai.onnx.ml", 2
"""Where LabelEncoder is as it is used here."""


def say_place(model: Any, label: str, classes: Sequence[str], *, name: str) -> bool:
    """Give a graph the output `name`.place. False, and nothing done, where no node numbers these classes.

    model: `onnx.ModelProto`. label: as the graph calls the output of its classifier. name: as the contract calls it.
    """
    graph, place = model.graph, f"{name}{PLACE}"
    nodes = list(graph.node)
    found = next(((node, one) for node in nodes if label in node.output for one in node.attribute if _lists(node, one)), None)
    if found is None:
        return False
    decides, numbered = found
    if [str(one) for one in (*map(bytes.decode, numbered.strings), *numbered.ints)] != list(classes):
        return False
    words = type(decides)(op_type="LabelEncoder", domain=_DOMAIN, name=place, input=[place], output=[label])
    values = words.attribute.add()
    values.CopyFrom(numbered)
    values.name = _ENCODER[values.type]
    words.attribute.add(name="keys_int64s", type=_INTS, ints=range(len(classes)))
    numbered.Clear()
    numbered.MergeFrom(type(numbered)(name=_CLASSIFIERS[decides.op_type][_INTS], type=_INTS, ints=range(len(classes))))
    decides.output[0] = place
    nodes.insert(nodes.index(decides) + 1, words)
    del graph.node[:]
    graph.node.extend(nodes)
    said = graph.output.add()
    said.CopyFrom(next(one for one in graph.output if one.name == label))
    said.name, said.type.tensor_type.elem_type = place, _INT64
    for one in model.opset_import:
        if one.domain == _DOMAIN:
            one.version = max(one.version, _VERSION)
    model.metadata_props.add(key=place, value=_order(classes))
    return True


def says_place(metadata: Mapping[str, str], label: str, classes: Sequence[str]) -> bool:
    """Whether a graph with this metadata has the output `label`.place for these classes in this order."""
    return metadata.get(f"{label}{PLACE}") == _order(classes)


def _order(classes: Sequence[str]) -> str:
    return json.dumps(list(classes), ensure_ascii=False)


def _lists(node: Any, attribute: Any) -> bool:
    """Whether it is where a classifier has its classes."""
    return attribute.name in _CLASSIFIERS.get(node.op_type, {}).values()
