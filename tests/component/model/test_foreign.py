"""Models from elsewhere: a contract for each kind, and a real server that gives the library's own answers."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnx
import pytest
import skops.io
import xgboost
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from kanarya_contracts.problems import KanaryaError
from kanarya_model.foreign import Order, write
from kanarya_model.testing import NUMBERS, build

COLUMNS = ["sepal length", "sepal width", "petal length", "petal width"]
SPECIES = ("setosa", "versicolor", "virginica")
IRIS = load_iris()
PATIENTS = load_diabetes(scaled=False)
SICK = (PATIENTS.target > 140).astype(int)
TWO = np.stack([PATIENTS.target, PATIENTS.data[:, 2]], axis=1)


def table(path: Path, names: Sequence[str], matrix: Any, **targets: Sequence[object]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, *targets])
        writer.writerows([*row, *(values[index] for values in targets.values())] for index, row in enumerate(matrix.tolist()))
    return path


@pytest.fixture
def iris(tmp_path: Path) -> Path:
    return table(tmp_path / "iris.csv", COLUMNS, IRIS.data, species=[SPECIES[one] for one in IRIS.target])


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    return table(
        tmp_path / "patients.csv", PATIENTS.feature_names, PATIENTS.data, ill=SICK.tolist(), after=PATIENTS.target.tolist()
    )


def boosted(objective: str, matrix: Any, truth: Any, **more: object) -> Any:
    dataset = lightgbm.Dataset(matrix, truth)
    return lightgbm.train({"objective": objective, "verbose": -1, "num_threads": 1, **more}, dataset, 10)


def extreme(objective: str, matrix: Any, truth: Any, **more: object) -> Any:
    return xgboost.train({"objective": objective, "nthread": 1, **more}, xgboost.DMatrix(matrix, truth), 10)


def answers(server: Any, path: Path, *, without: Sequence[str]) -> dict[str, Any]:
    """The server's outputs for every row of a CSV."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name not in without]
    body = {"inputs": [
        {"name": name, "datatype": "FP64", "shape": [len(rows)], "data": [float(row[name]) for row in rows]} for name in columns
    ]}  # fmt: skip
    answer = server.http.post("/v2/models/m/infer", json=body)
    assert answer.status_code == 200, answer.text
    return {one["name"]: np.reshape(one["data"], one["shape"]) for one in answer.json()["outputs"]}


def test_lightgbm_in_its_own_text_is_served_with_its_answers(serve: Callable[..., Any], iris: Path, tmp_path: Path) -> None:
    booster = boosted("multiclass", IRIS.data, IRIS.target, num_class=3)
    booster.save_model(tmp_path / "m.txt")

    written = write(Order(file=tmp_path / "m.txt", rows=iris, model="m", targets={"species": SPECIES}), tmp_path / "out")
    got = answers(serve(written.directory), iris, without=["species"])

    shares = booster.predict(IRIS.data)
    assert np.allclose(got["probabilities"], shares, rtol=1e-12)
    assert got["label"].tolist() == [SPECIES[one] for one in shares.argmax(axis=1)]
    assert written.contract.metrics["rows-accuracy"].value == pytest.approx((shares.argmax(axis=1) == IRIS.target).mean())


@pytest.mark.parametrize("suffix", [".json", ".ubj"])
def test_xgboost_in_its_own_formats_is_served_with_two_numbers_a_row(
    serve: Callable[..., Any], patients: Path, tmp_path: Path, suffix: str
) -> None:
    booster = extreme("reg:squarederror", PATIENTS.data, TWO)
    booster.save_model(tmp_path / f"m{suffix}")

    order = Order(file=tmp_path / f"m{suffix}", rows=patients, model="m", targets={"after": None, "weight": None, "ill": None})
    with pytest.raises(KanaryaError, match="gives 2 numbers a row, expected 3"):
        write(order, tmp_path / "wrong")
    inputs = table(tmp_path / "two.csv", PATIENTS.feature_names, PATIENTS.data, after=PATIENTS.target.tolist())
    order = Order(file=order.file, rows=inputs, model="m", targets={"after": None, "weight": None}, error_bounds={"weight": 3})
    written = write(order, tmp_path / "out")
    got = answers(serve(written.directory), inputs, without=["after"])

    expected = booster.inplace_predict(PATIENTS.data)
    assert np.allclose(np.stack([got["after.value"], got["weight.value"]], axis=1), expected, rtol=1e-6)
    assert [one.error_bound for one in written.contract.targets] == [230.0, 3.0]
    assert written.contract.metrics.keys() == {"rows-mae.after"}


def test_a_transformer_is_served_with_its_matrix_and_takes_no_feedback(
    serve: Callable[..., Any], iris: Path, tmp_path: Path
) -> None:
    transformer = make_pipeline(StandardScaler(), PCA(2)).fit(IRIS.data)
    skops.io.dump(transformer, tmp_path / "m.skops")

    written = write(Order(file=tmp_path / "m.skops", rows=iris, model="m", targets={"species": None}), tmp_path / "out")
    server = serve(written.directory)
    got = answers(server, iris, without=["species"])
    v1 = server.http.post("/v1/models/m:predict", json={"instances": IRIS.data[:2].tolist()})
    refused = server.http.post("/v2/models/m/feedback", json={"model_version": "1", "predictions": [1], "labels": [1]})

    expected = transformer.transform(IRIS.data)
    assert np.allclose(got["features"], expected)
    assert np.allclose(v1.json()["predictions"], expected[:2])
    assert (refused.status_code, "predicts nothing" in refused.json()["error"]) == (400, True)
    assert server.http.get("/v2/models/m").json()["outputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 2]}]


def network(*, double: bool = False) -> bytes:
    """What other tools export: a linear layer and a softmax, and no label."""
    fitted = LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target)
    kind, dtype = (TensorProto.DOUBLE, np.float64) if double else (TensorProto.FLOAT, np.float32)
    numbers = {"w": fitted.coef_.T, "b": fitted.intercept_}
    weights = [numpy_helper.from_array(array.astype(dtype), name) for name, array in numbers.items()]
    nodes = [
        helper.make_node("MatMul", ["measurements", "w"], ["z"]),
        helper.make_node("Add", ["z", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info("measurements", kind, ["batch", 4])]
    outputs = [helper.make_tensor_value_info("scores", kind, ["batch", 3])]
    graph = helper.make_graph(nodes, "net", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("double", [False, True], ids=["float", "double"])
def test_a_network_without_a_label_gets_one_of_the_classes_that_are_named(
    serve: Callable[..., Any], iris: Path, tmp_path: Path, double: bool
) -> None:
    (tmp_path / "net.onnx").write_bytes(network(double=double))

    order = Order(file=tmp_path / "net.onnx", rows=iris, model="m", targets={"species": SPECIES}, task="classification")
    got = answers(serve(write(order, tmp_path / "out").directory), iris, without=["species"])

    fitted = LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target)
    assert got["label"].tolist() == [SPECIES[one] for one in fitted.predict(IRIS.data)]
    assert np.allclose(got["scores"], fitted.predict_proba(IRIS.data), atol=1e-12 if double else 1e-5)


def by_column() -> bytes:
    """An input a column, as TensorFlow has them: a number that is whole, a word, a flag."""
    known = {"keys_strings": ["here"], "values_floats": [10.0], "default_float": 0.0}
    nodes = [
        helper.make_node("Cast", ["age"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["member"], ["b"], to=TensorProto.FLOAT),
        helper.make_node("LabelEncoder", ["town"], ["c"], domain="ai.onnx.ml", **known),
        helper.make_node("Sum", ["a", "b", "c"], ["price"]),
    ]  # fmt: skip
    kinds = {"town": TensorProto.STRING, "age": TensorProto.INT64, "member": TensorProto.BOOL}
    inputs = [helper.make_tensor_value_info(name, kind, ["rows", 1]) for name, kind in kinds.items()]
    outputs = [helper.make_tensor_value_info("price", TensorProto.FLOAT, ["rows", 1])]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(helper.make_graph(nodes, "prices", inputs, outputs), opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def test_a_graph_with_an_input_a_column_keeps_their_types(serve: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(by_column())
    (tmp_path / "rows.csv").write_text("age,member,town,price\n30,1,here,41\n20,0,there,21\n")

    written = write(
        Order(file=tmp_path / "m.onnx", rows=tmp_path / "rows.csv", model="m", targets={"price": None}), tmp_path / "out"
    )
    instance = {"age": 5, "member": True, "town": "here"}
    said = serve(written.directory).http.post("/v1/models/m:predict", json={"instances": [instance]})

    assert {one.name: one.datatype for one in written.contract.inputs} == {"town": "BYTES", "age": "INT64", "member": "BOOL"}
    assert written.contract.metrics["rows-mae"].value == 0.5
    assert said.json() == {"predictions": [[16.0]]}


@pytest.mark.parametrize(
    ("make", "suffix", "targets"),
    [
        (lambda: boosted("binary", PATIENTS.data, SICK), ".txt", {"ill": ("well", "ill"), "after": None}),
        (lambda: boosted("regression", PATIENTS.data, PATIENTS.target), ".txt", {"after": None, "ill": None}),
        (lambda: extreme("binary:logistic", PATIENTS.data, SICK), ".json", {"ill": None, "after": None}),
        (lambda: extreme("multi:softmax", PATIENTS.data, SICK, num_class=2), ".ubj", {"ill": None, "after": None}),
    ],
    ids=["lightgbm binary", "lightgbm regression", "xgboost binary", "xgboost softmax"],
)
def test_every_common_objective_has_its_form(tmp_path: Path, make: Callable[[], Any], suffix: str, targets: Any) -> None:
    booster, first = make(), next(iter(targets))
    booster.save_model(tmp_path / f"m{suffix}")
    truth = {"ill": SICK.tolist(), "after": PATIENTS.target.tolist()}
    if targets["ill"]:
        truth["ill"] = [targets["ill"][one] for one in SICK]
    rows = table(tmp_path / "rows.csv", PATIENTS.feature_names, PATIENTS.data, **{first: truth[first]})

    written = write(
        Order(file=tmp_path / f"m{suffix}", rows=rows, model="m", targets={first: targets[first]}), tmp_path / "out"
    )

    figure = next(iter(written.contract.metrics.values())).value
    assert figure > 0.7 if first == "ill" else figure < 60
    assert [one.name for one in written.contract.outputs] == (["label", "probabilities"] if first == "ill" else ["value"])


def test_a_classifier_without_probabilities_answers_labels_alone(tmp_path: Path, iris: Path) -> None:
    skops.io.dump(LinearSVC(max_iter=5000).fit(IRIS.data, IRIS.target_names[IRIS.target]), tmp_path / "m.skops")

    written = write(Order(file=tmp_path / "m.skops", rows=iris, model="m", targets={"species": None}), tmp_path / "out")

    assert [one.name for one in written.contract.outputs] == ["label"]
    assert written.contract.metrics["rows-accuracy"].value > 0.9


def test_a_second_version_takes_over_the_bins_and_bounds_of_the_first(tmp_path: Path) -> None:
    rows = table(tmp_path / "rows.csv", PATIENTS.feature_names, PATIENTS.data, after=PATIENTS.target.tolist())
    for number, factor in enumerate((1.0, 1.3)):
        boosted("regression", PATIENTS.data, factor * PATIENTS.target).save_model(tmp_path / f"{number}.txt")
    order = Order(file=tmp_path / "0.txt", rows=rows, model="m", targets={"after": None}, error_bounds={"after": 99})
    first = write(order, tmp_path / "first").contract

    order = Order(file=tmp_path / "1.txt", rows=rows, model="m", targets={"after": None}, like=tmp_path / "first")
    second = write(order, tmp_path / "second").contract

    assert second.targets == first.targets
    one, other = (contract.reference.predictions["after"] for contract in (first, second))
    assert (one.edges, one.counts != other.counts) == (other.edges, True)


def _zipmap() -> bytes:
    fitted = LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target)
    return bytes(to_onnx(fitted, IRIS.data[:1].astype(np.float32)).SerializeToString())


@pytest.mark.parametrize(
    ("name", "content", "changes", "words"),
    [
        ("m.pkl", b"x", {}, "is none of .onnx, .skops, .txt, .json, .ubj"),
        ("m.onnx", b"x", {}, "cannot be read as onnx"),
        ("m.skops", b"x", {}, "cannot be read as skops"),
        ("m.txt", b"tree\nversion=v4\nnum_class=1\n", {}, "not all of, the text that LightGBM's save_model writes"),
        ("m.json", b"{", {}, "cannot be read as xgboost"),
        ("m.onnx", _zipmap(), {"targets": {"species": SPECIES}}, "export with options={'zipmap': False}"),
        ("m.onnx", network(), {}, "(scores) leave open what it does: give --task"),
        (
            "m.onnx",
            network(),
            {"task": "regression"},
            "answers scores FP32 [rows, 3], expected one number a row for each of species",
        ),
        ("m.onnx", network(), {"task": "classification", "targets": {"kind": None}}, "has 5 columns beside the targets"),
        (
            "m.onnx",
            network(),
            {"task": "classification", "targets": {"species": ("a", "b")}},
            "its output scores is [rows, 3], expected one for each of a, b",
        ),
    ],
)
def test_what_cannot_have_a_contract_is_refused_with_what_is_wrong(
    tmp_path: Path, iris: Path, name: str, content: bytes, changes: Any, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    order = Order(**{"file": tmp_path / name, "rows": iris, "model": "m", "targets": {"species": None}, **changes})

    with pytest.raises(KanaryaError) as refused:
        write(order, tmp_path / "out")

    assert words in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no rows, expected a header and one at least"),
        ("a,a\n1,2\n", "line 1: has more than one column named a"),
        ("a,b\n1\n", "line 2: has 1 cells, expected 2 as in the header"),
        ("a,b,c,d,species\n1,x,3,4,setosa\n", "column 'b' has 'x', and the model takes FP64"),
        ("a,b,c,d,species\n1,,3,4,setosa\n", "column 'b' has no value in any row"),
    ],
)
def test_rows_that_do_not_fit_are_refused_with_their_place(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "net.onnx").write_bytes(network())
    (tmp_path / "rows.csv").write_text(text)
    order = Order(
        file=tmp_path / "net.onnx", rows=tmp_path / "rows.csv", model="m", targets={"species": SPECIES}, task="classification"
    )

    with pytest.raises(KanaryaError) as refused:
        write(order, tmp_path / "out")

    assert words in str(refused.value)


def test_a_graph_that_says_places_of_labels_is_answered_in_its_words_by_a_contract_with_another_order(
    serve: Callable[..., Any], tmp_path: Path
) -> None:
    build(tmp_path / "made")
    wanted = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.7, 2.8, 4.1, 1.3]]
    numbers = table(tmp_path / "rows.csv", NUMBERS, np.array(wanted))
    said = {}
    for order in (SPECIES, SPECIES[::-1]):
        ordered = Order(file=tmp_path / "made/model.onnx", rows=numbers, model="m", targets={"species": order})
        written = write(ordered, tmp_path / "_".join(order))
        said[order] = answers(serve(written.directory), numbers, without=[])["label"].tolist()

    assert said[SPECIES] == said[SPECIES[::-1]]
    assert len(set(said[SPECIES])) > 1
