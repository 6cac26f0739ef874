"""Triton's own clients, over HTTP with and without bytes and over gRPC, which knows bytes alone."""

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

LABELS = [b"setosa", b"virginica"]


@pytest.fixture(params=["http", "grpc"])
def triton(request, server):
    """The module and a client of it."""
    module = {"http": tritonclient.http, "grpc": tritonclient.grpc}[request.param]
    client = module.InferenceServerClient(getattr(server, request.param))
    yield module, client
    client.close()


def inputs(module, columns, **binary):
    asked = []
    for name, (datatype, values) in columns.items():
        asked.append(module.InferInput(name, [2], datatype))
        asked[-1].set_data_from_numpy(np.array(values, object if datatype == "BYTES" else np.float64), **binary)
    return asked


def labels(result):
    return [word.encode() if isinstance(word, str) else word for word in result.as_numpy("label").tolist()]


def test_it_asks_and_understands(triton, columns):
    module, client = triton
    states = [
        client.is_server_live(),
        client.is_server_ready(),
        client.is_model_ready("iris"),
        client.is_model_ready("iris", "7"),
    ]

    result = client.infer("iris", inputs(module, columns), request_id="a-7")

    assert states == [True] * 4
    assert labels(result) == LABELS
    assert result.as_numpy("probabilities").shape == (2, 3)
    response = result.get_response()
    assert (response["id"] if isinstance(response, dict) else response.id) == "a-7"


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_over_http_each_direction_may_be_bytes_or_json(server, columns, sent, wanted):
    module = tritonclient.http
    with module.InferenceServerClient(server.http) as client:
        outputs = [module.InferRequestedOutput(name, binary_data=wanted) for name in ("probabilities", "label")]
        result = client.infer("iris", inputs(module, columns, binary_data=sent), outputs=outputs, model_version="7")

    assert labels(result) == LABELS
    assert np.allclose(result.as_numpy("probabilities").sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("compression", ["gzip"])
def test_over_http_a_compressed_request_is_read(server, columns, compression):
    with tritonclient.http.InferenceServerClient(server.http) as client:
        asked = inputs(tritonclient.http, columns)
        result = client.infer("iris", asked, request_compression_algorithm=compression)

    assert labels(result) == LABELS


def test_metadata_is_understood(triton):
    _, client = triton
    model, about = client.get_model_metadata("iris"), client.get_server_metadata()

    assert (model["name"] if isinstance(model, dict) else model.name) == "iris"
    assert (about["name"] if isinstance(about, dict) else about.name) == "kanarya-model"


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_models_are_listed_loaded_and_unloaded(repository, protocol):
    module = {"http": tritonclient.http, "grpc": tritonclient.grpc}[protocol]
    client = module.InferenceServerClient(getattr(repository, protocol))

    found = client.get_model_repository_index(**({} if protocol == "http" else {"as_json": True}))
    client.unload_model("iris")
    unloaded = client.is_server_ready()
    client.load_model("iris")

    entries = found if protocol == "http" else found["models"]
    assert [(one["name"], one["version"], one["state"]) for one in entries] == [
        ("iris", "7", "UNAVAILABLE"),
        ("iris", "8", "READY"),
    ]
    assert not unloaded
    assert client.is_model_ready("iris", "8")
    with pytest.raises(InferenceServerException, match='model: got "rose"'):
        client.load_model("rose")
    client.close()


def test_a_mistake_reaches_the_client_in_words(triton):
    module, client = triton
    wrong = module.InferInput("petals", [1], "FP64")
    wrong.set_data_from_numpy(np.array([1.0]))

    with pytest.raises(InferenceServerException, match='got "petals", expected one of "sepal_length"'):
        client.infer("iris", [wrong])
    with pytest.raises(InferenceServerException, match='model: got "rose", expected "iris"'):
        client.infer("rose", [wrong])
