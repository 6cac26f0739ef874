"""MLServer's types and codecs: its request is written, our answer is read."""

import httpx
import numpy as np
from mlserver.codecs import NumpyCodec, NumpyRequestCodec, StringCodec
from mlserver.types import (
    InferenceErrorResponse,
    InferenceRequest,
    InferenceResponse,
    MetadataModelResponse,
    MetadataServerResponse,
    RepositoryIndexResponse,
)


def ask(server, request):
    content = request.model_dump_json()
    return httpx.post(
        f"http://{server.http}/v2/models/iris/infer", content=content, headers={"content-type": "application/json"}
    )


def column(name, values):
    if isinstance(values[0], str):
        return StringCodec.encode_input(name, values, use_bytes=False)
    return NumpyCodec.encode_input(name, np.array(values).reshape(-1, 1))


def test_columns_in_its_codecs_are_read_and_the_answer_is_decoded(server, columns):
    request = InferenceRequest(id="a-7", inputs=[column(name, values) for name, (_, values) in columns.items()])

    response = InferenceResponse.model_validate_json(ask(server, request).content)

    assert (response.id, response.model_name, response.model_version) == ("a-7", "iris", "7")
    label, probabilities = response.outputs
    assert StringCodec.decode_output(label) == ["setosa", "virginica"]
    assert np.allclose(NumpyCodec.decode_output(probabilities).sum(axis=1), 1, atol=1e-5)


def test_a_matrix_in_its_request_codec_is_read(server, kind):
    if kind == "numeric":
        request = NumpyRequestCodec.encode_request(np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]))

        response = InferenceResponse.model_validate_json(ask(server, request).content)

        assert StringCodec.decode_output(response.outputs[0]) == ["setosa", "virginica"]


def test_metadata_and_errors_are_of_its_types(server):
    model = MetadataModelResponse.model_validate_json(httpx.get(f"http://{server.http}/v2/models/iris").content)
    about = MetadataServerResponse.model_validate_json(httpx.get(f"http://{server.http}/v2").content)
    answer = ask(server, InferenceRequest(inputs=[column("petals", [1.0])]))

    assert (model.name, len(model.inputs), about.name) == ("iris", 4, "kanarya-model")
    assert answer.status_code == 400
    assert 'got "petals"' in InferenceErrorResponse.model_validate_json(answer.content).error


def test_the_index_of_a_repository_is_read(repository):
    answer = httpx.post(f"http://{repository.http}/v2/repository/index", json={})

    entries = RepositoryIndexResponse.model_validate_json(answer.content).root

    assert [(one.name, one.version, one.state) for one in entries] == [
        ("iris", "7", "UNAVAILABLE"),
        ("iris", "8", "READY"),
    ]
