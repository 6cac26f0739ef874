"""Every answer is what `/openapi.json` says, and that document says what the Open Inference Protocol's own says."""

import json

import jsonschema
import pytest

REQUEST = {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}

PROTOCOL = {
    "Server": {"name", "version", "extensions"},
    "Model": {"name", "platform"},
    "Response": {"model_name", "outputs"},
    "Error": {"error"},
}
"""Members that `open_inference_rest.yaml` requires of each answer (2025-05-11)."""


@pytest.fixture
def described(client):
    """A client, and its document's schema for an answer: (method, path, status) → validator."""
    asked = client()
    document = asked.ask("GET", "/openapi.json").json()

    def schema(method, path, status):
        responses = document["paths"][path][method.lower()]["responses"]
        one = responses.get(str(status)) or responses[f"{status // 100}XX"]
        content = one["content"]["application/json"]["schema"]
        return jsonschema.Draft202012Validator({**content, "components": document["components"]})

    return asked, document, schema


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v2", None, 200),
        ("GET", "/v2/health/live", None, 200),
        ("GET", "/v2/health/ready", None, 200),
        ("GET", "/v2/models/iris", None, 200),
        ("GET", "/v2/models/iris/versions/2", None, 200),
        ("GET", "/v2/models/iris/ready", None, 200),
        ("GET", "/v2/models/iris/versions/2/ready", None, 200),
        ("POST", "/v2/models/iris/infer", REQUEST, 200),
        ("POST", "/v2/models/iris/infer", {**REQUEST, "id": "7", "outputs": [{"name": "label"}]}, 200),
        ("POST", "/v2/models/iris/versions/2/infer", REQUEST, 200),
        ("POST", "/v2/models/iris/infer", {}, 400),
        ("POST", "/v2/models/iris/infer", {"inputs": [{**REQUEST["inputs"][0], "shape": [1001, 4]}]}, 413),
        ("GET", "/v1/models", None, 200),
        ("GET", "/v1/models/iris", None, 200),
        ("POST", "/v1/models/iris:predict", {"instances": [[5.1, 3.5, 1.4, 0.2]]}, 200),
        ("POST", "/v1/models/iris:predict", {}, 400),
        ("POST", "/v2/models/iris/feedback", {"model_version": "2", "predictions": ["setosa"], "labels": ["setosa"]}, 200),
        ("POST", "/v2/models/iris/feedback", {"model_version": "2", "goal": {"name": "purchase", "reached": True}}, 400),
    ],
)
def test_every_answer_is_as_described(described, method, path, body, status):
    asked, _, schema = described

    answer = asked.ask(method, path, b"" if body is None else json.dumps(body).encode())

    assert answer.status == status
    schema(method, path, status).validate(answer.json())


def test_a_server_that_drains_answers_as_described(described):
    asked, _, schema = described
    asked.app.drain()

    for path in ("/v2/health/ready", "/v2/models/iris/ready", "/v1/models/iris"):
        answer = asked.ask("GET", path)
        assert answer.status == 503
        schema("GET", path, 503).validate(answer.json())


def test_every_path_is_described(described):
    asked, document, _ = described

    assert set(document["paths"]) == set(asked.app._routes) - {"/v2/"}
    for path, methods in document["paths"].items():
        assert {method.upper() for method in methods} == set(asked.app._routes[path])


@pytest.mark.parametrize("name", sorted(PROTOCOL))
def test_what_the_protocol_requires_is_required(described, name):
    _, document, _ = described
    schemas = document["components"]["schemas"]

    assert set(schemas[name]["required"]) >= PROTOCOL[name]
    assert set(schemas["Response"]["properties"]["outputs"]["items"]["required"]) == {"name", "shape", "datatype"}


@pytest.mark.parametrize("kind", ["numeric", "mixed", "skops", "int"])
def test_every_example_is_answered(client, kind):
    asked = client(kind)
    document = asked.ask("GET", "/openapi.json").json()
    posts = {path: methods["post"] for path, methods in document["paths"].items() if "post" in methods}

    answers = {
        path: asked.ask("POST", path, json.dumps(post["requestBody"]["content"]["application/json"]["example"]).encode()).status
        for path, post in posts.items()
    }

    assert answers == dict.fromkeys(posts, 200)
    assert len(posts) == 4


def test_the_document_is_about_the_models_served(client):
    document = client("mixed").ask("GET", "/openapi.json").json()
    tensor = document["components"]["schemas"]["Request.iris.2"]["properties"]["inputs"]["items"]["properties"]

    assert tensor["name"]["enum"] == ["sepal_length", "sepal_width", "petal_length", "garden"]
    assert "BYTES" in tensor["datatype"]["enum"]
