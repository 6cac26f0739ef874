"""KServe's own clients, over REST with and without bytes and over gRPC."""

import asyncio

import grpc
import httpx
import kserve
import numpy as np
import pytest

LABELS = ["setosa", "virginica"]


def run(coroutine):
    return asyncio.run(coroutine)


@pytest.fixture(params=[False, True], ids=["plain", "bytes"])
def by_bytes(request):
    return request.param


@pytest.fixture
def request_(columns, by_bytes):
    """An inference request as KServe builds one."""
    inputs = []
    for name, (datatype, values) in columns.items():
        one = kserve.InferInput(name, [2], datatype)
        array = np.array(values, object if datatype == "BYTES" else np.float64)
        one.set_data_from_numpy(array, binary_data=by_bytes)
        inputs.append(one)
    wanted = [
        kserve.protocol.infer_type.RequestedOutput(name, {"binary_data": by_bytes}) for name in ("label", "probabilities")
    ]
    return kserve.InferRequest("iris", inputs, request_id="a-7", request_outputs=wanted)


def labels(response):
    output = response.get_output_by_name("label")
    return [word.decode() if isinstance(word, bytes) else word for word in output.as_numpy().tolist()]


def check(response):
    assert labels(response) == LABELS
    assert (response.id, response.model_name) == ("a-7", "iris")  # the version is lost on the way through its REST client
    assert np.allclose(response.get_output_by_name("probabilities").as_numpy().sum(axis=1), 1, atol=1e-5)


def test_the_rest_client_asks_and_understands(server, request_):
    async def ask():
        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2"))
        url = f"http://{server.http}"
        states = [await client.is_server_live(url), await client.is_server_ready(url), await client.is_model_ready(url, "iris")]
        return states, await client.infer(url, request_, model_name="iris")

    states, response = run(ask())

    assert states == [True, True, True]
    check(response)


def test_the_grpc_client_asks_and_understands(server, request_):
    async def ask():
        client = kserve.InferenceGRPCClient(server.grpc)
        states = [await client.is_server_live(), await client.is_server_ready(), await client.is_model_ready("iris")]
        response = await client.infer(request_)
        await client.close()
        return states, response

    states, response = run(ask())

    assert states == [True, True, True]
    check(response)


def test_a_mistake_reaches_the_client_in_words(server):
    wrong = kserve.InferRequest("iris", [kserve.InferInput("petals", [1], "FP64", [1.0])])

    async def rest():
        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2", retries=0))
        await client.infer(f"http://{server.http}", wrong, model_name="iris")

    async def by_grpc():
        await kserve.InferenceGRPCClient(server.grpc).infer(wrong)

    with pytest.raises(httpx.HTTPStatusError, match=r'got \\?"petals'):
        run(rest())
    with pytest.raises(grpc.RpcError) as caught:
        run(by_grpc())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert 'got "petals"' in caught.value.details()
