"""The request log of the real process, on a real disk and in a real bucket, read as an analyst would."""

import json
import signal

import grpc
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest

from kanarya_contracts.names import HEADER_MIRRORED_TO
from kanarya_model.__main__ import main
from kanarya_model.edges import open_inference_pb2 as pb
from kanarya_model.testing import build, estimator

INFER = "/v2/models/iris/infer"
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.7, 2.8, 4.1, 1.3]]
LOG = ("--version", "7", "--request-log")


def matrix(rows, **more):
    flat = [value for row in rows for value in row]
    return {"inputs": [{"name": "X", "shape": [len(rows), 4], "datatype": "FP64", "data": flat}], **more}


def read(place):
    """Every file below a folder, with what the folders' names say."""
    return ds.dataset(str(place), partitioning="hive").to_table().to_pandas().sort_values(["time", "row"], ignore_index=True)


def personal(directory, **columns):
    """The same artifact, with these columns personal."""
    path = directory / "kanarya.json"
    document = json.loads(path.read_text())
    for column in document["inputs"]:
        if column["name"] in columns:
            column["personal"] = columns[column["name"]]
    path.write_text(json.dumps(document))
    return directory


def test_requests_by_every_door_are_found_on_disk_after_a_stop_as_they_were_answered(serve, artifact, tmp_path):
    server = serve(artifact, *LOG, tmp_path / "log", "--grpc-port", "0")
    fitted, _ = estimator("numeric")
    many = np.tile(np.array(ROWS), (300, 1))

    server.http.post(INFER, json=matrix(ROWS, id="a-1"), headers={"x-request-id": "from-the-gateway"})
    server.http.post("/v1/models/iris:predict", json={"instances": ROWS[:1]}, headers={HEADER_MIRRORED_TO: "7"})
    head = json.dumps(
        {"inputs": [{"name": "X", "shape": [900, 4], "datatype": "FP64", "parameters": {"binary_data_size": many.nbytes}}]}
    ).encode()
    length = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    assert server.http.post(INFER, content=head + many.tobytes(), headers=length).status_code == 200
    tensor = pb.ModelInferRequest.InferInputTensor(name="X", datatype="FP64", shape=[1, 4])
    tensor.contents.fp64_contents.extend(ROWS[1])
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        message = pb.ModelInferRequest(model_name="iris", id="g", inputs=[tensor])
        infer(message.SerializeToString(), metadata=[("x-request-id", "over-grpc")], timeout=60)
    server.http.post(INFER, json={})
    assert server.stop() == 0
    frame = read(tmp_path / "log")

    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    sent = frame[[f"input_{name}" for name in names]].to_numpy()
    assert np.array_equal(sent, np.vstack([ROWS, ROWS[:1], many, ROWS[1:2]]))
    assert frame["output_label"].tolist() == fitted.predict(sent).tolist()
    assert np.allclose(np.vstack(frame["output_probabilities"]), fitted.predict_proba(sent), atol=1e-4)
    assert frame["edge"][frame["copy"]].tolist() == ["v1-rest"]
    assert frame["edge"].value_counts().to_dict() == {"v2-rest": 903, "v1-rest": 1, "v2-grpc": 1}
    assert frame["request_id"].value_counts().to_dict() == {"from-the-gateway": 3, "over-grpc": 1}
    assert frame["id"].value_counts().to_dict() == {"a-1": 3, "g": 1}
    assert (set(frame["model"]), set(frame["version"])) == ({"iris"}, {7})
    assert (pd.Timestamp.now("UTC") - frame["time"]).max() < pd.Timedelta("10min")
    assert ((frame["seconds"] > 0) & (frame["seconds"] < 60)).all()


def test_a_file_is_there_while_the_server_runs_and_its_rows_are_counted(serve, artifact, tmp_path):
    server = serve(artifact, *LOG, tmp_path / "log", "--request-log-seconds", "0.1", "--request-log-rows", "100")

    for _ in range(5):
        server.http.post(INFER, json=matrix(ROWS))
    server.http.post(INFER, json=matrix(ROWS * 100))
    written = 'kanarya_model_request_log_rows_total{fate="written",model="iris",version="7"}'
    while server.metric(written) < 15:
        pass

    assert len(read(tmp_path / "log")) == 15
    assert server.metric(written.replace("written", "dropped")) == 300
    assert not list((tmp_path / "log").rglob("*.draft"))


def test_what_the_contract_calls_personal_is_nowhere_in_the_files(serve, tmp_path):
    secret = "north"
    artifact = personal(build(tmp_path / "words", "mixed"), garden="hash", petal_length="drop")
    key = tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef\n")
    server = serve(artifact, *LOG, tmp_path / "log", "--request-log-key-file", key, "--access-log")
    columns = {"sepal_length": [5.1, 6.0], "sepal_width": [3.5, 3.0], "petal_length": [1.4, 4.0], "garden": [secret, "south"]}
    tensors = [
        {"name": name, "shape": [2], "datatype": "BYTES" if name == "garden" else "FP64", "data": values}
        for name, values in columns.items()
    ]

    assert server.http.post(INFER, json={"inputs": tensors}).status_code == 200
    assert server.stop() == 0
    frame = read(tmp_path / "log")
    contents = b"".join(path.read_bytes() for path in (tmp_path / "log").rglob("*.parquet"))

    assert "input_petal_length" not in frame
    assert frame["input_sepal_length"].tolist() == [5.1, 6.0]
    assert frame["input_garden"].str.fullmatch("[0-9a-f]{32}").all()
    assert frame["input_garden"].nunique() == 2
    assert secret.encode() not in contents
    assert "0123456789abcdef" not in server.log.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--request-log", "LOG"], "the contract has garden hashed in a request log; give the key with --request-log-key-file"),
        (["--request-log", "LOG", "--request-log-key-file", "SHORT"], "has 3 bytes, expected 16 or more"),
        (["--request-log", "LOG", "--request-log-key-file", "NONE"], "none cannot be read (No such file or directory)"),
        (["--request-log", "SHORT"], "cannot be written to"),
        (["--request-log", "gopher://x"], "got 'gopher://x', expected a directory or s3://bucket/prefix"),
    ],
)
def test_a_log_that_could_not_be_kept_as_asked_is_refused_before_anything_listens(tmp_path, capsys, arguments, words):
    artifact = personal(build(tmp_path / "words", "mixed"), garden="hash")
    (tmp_path / "short").write_text("abc")
    places = {name: str(tmp_path / name.lower()) for name in ("LOG", "SHORT", "NONE")}

    assert main(["serve", str(artifact), "--port", "0", *(places.get(one, one) for one in arguments)]) == 2

    assert words in capsys.readouterr().err.splitlines()[-1]


# --- s3 ---------------------------------------------------------------------------------------------------------------


def test_files_are_found_in_a_bucket(serve, artifact, bucket, tmp_path):
    client, environment = bucket
    server = serve(artifact, *LOG, "s3://models/logs", env=environment)

    server.http.post(INFER, json=matrix(ROWS))
    assert server.stop() == 0
    [item] = client.list_objects_v2(Bucket="models", Prefix="logs/")["Contents"]
    (tmp_path / "one.parquet").write_bytes(client.get_object(Bucket="models", Key=item["Key"])["Body"].read())

    assert item["Key"].startswith("logs/model=iris/version=7/date=")
    assert len(pd.read_parquet(tmp_path / "one.parquet")) == 3


def test_a_bucket_that_is_not_there_costs_rows_and_nothing_else(serve, artifact, bucket):
    _, environment = bucket
    server = serve(artifact, *LOG, "s3://nowhere/logs", "--request-log-seconds", "0.1", env=environment)

    answer = server.http.post(INFER, json=matrix(ROWS))
    while server.metric('kanarya_model_request_log_rows_total{fate="failed",model="iris",version="7"}') < 3:
        pass

    assert answer.status_code == 200
    assert server.stop(signal.SIGTERM) == 0
    assert "the request log lost 3 rows: s3://nowhere/logs: model=iris/" in server.log.read_text()
    assert "NoSuchBucket" in server.log.read_text()
