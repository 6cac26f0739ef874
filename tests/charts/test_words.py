"""The charts and the programs they start say the same words: settings, arguments, labels, values, names of Services."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from kanarya_contracts.names import LABEL_MODEL
from kanarya_contracts.problems import validated
from kanarya_contracts.rollout import ModelRollout
from kanarya_model import settings as model_settings
from kanarya_rollout.ports import inferenceservice
from kanarya_rollout.ports.installation import Installation
from kanarya_rollout.settings import settings as rollout_settings
from kanarya_training_job.__main__ import main as train

ROOT = Path(__file__).resolve().parents[2]
CHARTS = sorted(path.parent for path in ROOT.glob("helm/*/Chart.yaml"))


def made(chart: str, kind: str, name: str = "") -> dict[str, Any]:
    """The one document of that kind (and name) that a chart makes."""
    text = (ROOT / f"manifests/rendered/{chart}.yaml").read_text(encoding="utf-8")
    [found] = [one for one in yaml.safe_load_all(text) if one and one["kind"] == kind and name in one["metadata"]["name"]]
    return dict(found)


def container(workload: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = workload["spec"]["template"]["spec"]["containers"][0]
    return found


def test_the_controller_understands_every_variable_that_its_chart_sets() -> None:
    deployment = container(made("rollout", "Deployment"))
    chosen = rollout_settings({one["name"]: one.get("value", "of-the-pod") for one in deployment["env"]})
    assert chosen.registry == "http://platform-mlflow:5000"
    assert chosen.artifacts_root == "s3://mlflow/artifacts"
    assert chosen.lease == "rollout"
    assert deployment["args"] == ["run"]


def test_the_lease_that_the_controller_may_write_is_the_one_it_is_told_of() -> None:
    rules = made("rollout", "Role", "leader")["rules"]
    assert [name for rule in rules for name in rule.get("resourceNames", [])] == ["rollout"]


@pytest.mark.parametrize("source", ["manifests/rendered/model.yaml", "manifests/iris/cluster/serving.yaml"])
def test_the_model_server_understands_every_argument_that_its_runtime_gives(source: str) -> None:
    documents = yaml.safe_load_all((ROOT / source).read_text(encoding="utf-8"))
    [runtime] = [one for one in documents if one and one["kind"] == "ServingRuntime"]
    verb, *arguments = runtime["spec"]["containers"][0]["args"]
    parser = argparse.ArgumentParser()
    model_settings.arguments(parser)
    chosen = model_settings.settings(vars(parser.parse_args(arguments)), {})
    assert (verb, chosen.dir, chosen.host, chosen.port, chosen.drain_seconds) == ("serve", "/mnt/models", "0.0.0.0", 8080, 10)  # noqa: S104


def test_the_training_understands_every_argument_that_its_chart_gives(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    job = container(made("training-job", "Job"))
    registry = next(one["value"] for one in job["env"] if one["name"] == "MLFLOW_TRACKING_URI")
    status = train([str(tmp_path / "training.yaml"), "--registry", registry, *job["args"][1:]])
    assert status == 2
    assert "training.yaml: 1 problem" in capsys.readouterr().err.replace(str(tmp_path), "")


def test_the_controller_can_work_with_the_inference_service_that_the_chart_makes() -> None:
    service = made("model", "InferenceService")
    assert inferenceservice.problems(service, kserve=Installation()) == []
    assert service["metadata"]["labels"][LABEL_MODEL] == "iris"


def test_the_models_take_the_rollout_that_the_chart_makes() -> None:
    rollout = validated(ModelRollout, made("model", "ModelRollout"), source="chart")
    assert rollout.spec.registry.model == rollout.spec.target_ref.name == "iris"


def test_everybody_calls_mlflow_and_the_bucket_by_the_names_that_the_platform_gives_them() -> None:
    service, bucket = made("platform", "Service", "mlflow"), made("platform", "Secret", "s3")
    url = f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    for chart in ("rollout", "training-job"):
        assert yaml.safe_load((ROOT / f"helm/{chart}/values.yaml").read_text(encoding="utf-8"))["mlflow"]["url"] == url
    for chart in ("model", "training-job"):
        values = yaml.safe_load((ROOT / f"helm/{chart}/values.yaml").read_text(encoding="utf-8"))
        assert values["storage"]["existingSecret"] == bucket["metadata"]["name"]
    [hosts] = [one for one in container(made("platform", "Deployment"))["args"] if one.startswith("--allowed-hosts=")]
    assert url.removeprefix("http://") in hosts.split(",")


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_parent_chart_may_pass_global_and_enabled_and_nobody_a_value_that_there_is_not(chart: Path) -> None:
    schema = Draft7Validator(json.loads((chart / "values.schema.json").read_text(encoding="utf-8")))
    values = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    assert not list(schema.iter_errors(values | {"global": {"any": "thing"}, "enabled": True}))
    assert list(schema.iter_errors(values | {"misspelt": 1}))
    closed = (key for key, part in schema.schema["properties"].items() if part.get("additionalProperties") is False)
    inner = next(closed)
    assert list(schema.iter_errors(values | {inner: values[inner] | {"misspelt": 1}}))


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_templates_read_every_value_and_none_that_there_is_not(chart: Path) -> None:
    values = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    own = [path for path in (chart / "templates").iterdir() if path.name != "_kanarya.tpl"]
    read = {path for file in own for path in re.findall(r"\.Values\.([\w.]+)", file.read_text(encoding="utf-8"))}
    for path in read:
        inside: Any = values
        for key in path.rstrip(".").split("."):
            assert key in inside, path
            inside = inside[key] if isinstance(inside[key], dict) else {}
    shared = {"imagePullSecrets", "nodeSelector", "tolerations", "affinity"}  # read in _kanarya.tpl
    assert values.keys() - {path.split(".")[0] for path in read} <= shared
