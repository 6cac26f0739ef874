"""KServe's own ConfigMap: what is read of it, what is refused because of it, and what is only said when nobody tells."""

import json
import logging

import pytest

from kanarya_rollout.ports import Unreachable
from kanarya_rollout.ports.inferenceservice import problems
from kanarya_rollout.ports.installation import Installation, KServe, Version, told
from kanarya_rollout.testing import Simulation, promoted

LOG = "kanarya.controller"
ROUTED = {"metadata": {"name": "iris"}, "spec": {"predictor": {"model": {"modelFormat": {"name": "kanarya"}}}}}
ALONE = {**ROUTED, "metadata": {"name": "iris", "labels": {"networking.kserve.io/visibility": "cluster-local"}}}


def config(*, tag="v0.21.0", mode="Standard", **ingress):
    """As KServe's chart writes it: JSON in each key, every image at the release's tag."""
    images = {key: {"image": f"kserve/{key.lower()}:{tag}"} for key in ("storageInitializer", "agent", "router")}
    ingress = {"enableGatewayApi": True, "disableIngressCreation": False, **ingress}
    data = {"deploy": {"defaultDeploymentMode": mode}, "ingress": ingress, **images}
    return {"data": {key: json.dumps(value) for key, value in data.items()}}


def test_version_mode_and_routes_are_read():
    assert told(config()) == Installation(version=Version(0, 21), default_mode="Standard", gateway_api=True, own_routes=True)
    assert str(told(config())) == "KServe 0.21, default mode Standard, HTTPRoutes"


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("v0.20.0", Version(0, 20)),
        ("0.9.0", Version(0, 9)),
        ("v0.21.0-rc1", Version(0, 21)),
        ("v0.21.0@sha256:0f", Version(0, 21)),
        ("latest", None),
    ],
)
def test_a_version_is_what_the_images_are_tagged_with_or_unknown(tag: str, version: Version | None):
    assert told(config(tag=tag)).version == version


def test_images_that_do_not_agree_tell_no_version():
    document = config()
    document["data"]["agent"] = json.dumps({"image": "mirror.example.com:5000/kserve/agent:v0.20.0"})
    assert told(document).version is None
    assert "of a version that nothing tells" in str(told(document))


@pytest.mark.parametrize("data", [None, {}, {"deploy": "}", "ingress": "[]", "agent": "{}"}])
def test_a_config_map_that_says_nothing_leaves_everything_unknown(data):
    assert told({"data": data}) == Installation()


@pytest.mark.parametrize(
    ("service", "driver", "installed", "why"),
    [
        (ROUTED, "kserve", config(tag="v0.20.0"), "KServe 0.20 gives canaries no requests"),
        (ALONE, "gateway", config(tag="v0.19.0"), "KServe 0.19 has no spec.canary; 0.20 or later is needed"),
        (ROUTED, "kserve", config(enableGatewayApi=False), "KServe writes Ingresses, which split nothing"),
        (ROUTED, "kserve", config(disableIngressCreation=True), "KServe makes no routes for it"),
        (ROUTED, "gateway", config(), "so KServe writes routes beside ours"),
        (ALONE, "gateway", config(mode="Serverless"), "its deployment mode is Serverless, KServe's default here"),
    ],
)
def test_a_set_up_that_cannot_work_is_refused_with_what_to_change(service, driver, installed, why: str):
    wrong = problems(service, kserve=told(installed), driver=driver)
    assert len(wrong) == 1
    assert why in wrong[0]


@pytest.mark.parametrize(
    ("service", "driver", "installed"),
    [
        (ROUTED, "kserve", config()),
        (ALONE, "gateway", config(tag="v0.20.0", enableGatewayApi=False)),
        (ROUTED, "gateway", config(disableIngressCreation=True)),
        (ROUTED, "kserve", {}),
    ],
)
def test_what_works_and_what_is_unknown_is_not_refused(service, driver, installed):
    assert problems(service, kserve=told(installed), driver=driver) == []


class Api:
    """An API server that lets one object be read, or does not."""

    def __init__(self, found):
        self.found, self.asked = found, []

    def get(self, path):
        self.asked.append(path)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def test_it_is_read_once_a_minute_and_what_was_read_stays_while_it_cannot_be():
    api, now = Api(config()), [0.0]
    kserve = KServe(api, namespace="serving", monotonic=lambda: now[0])
    assert kserve.installation() == kserve.installation() == told(config())
    assert api.asked == ["/api/v1/namespaces/serving/configmaps/inferenceservice-config"]
    api.found, now[0] = Unreachable("away"), 61.0
    assert kserve.installation() == told(config())
    assert len(api.asked) == 2


@pytest.mark.parametrize("found", [None, Unreachable("the API server refused GET: 403: forbidden")])
def test_one_that_may_not_be_read_is_said_once_and_the_settings_stand(found, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, LOG)
    now = [0.0]
    kserve = KServe(Api(found), namespace="kserve", own_routes=False, monotonic=lambda: now[0])
    for _ in range(5):
        assert kserve.installation() == Installation(own_routes=False)
        now[0] += 61.0
    [record] = caplog.records
    assert record.message.startswith("KServe's set-up is unknown, the settings stand for it: ")


def test_a_persons_word_on_the_routes_is_stronger_than_what_is_read():
    assert KServe(Api(config()), namespace="kserve", own_routes=False).installation().own_routes is False


def test_a_target_that_cannot_work_has_a_reason_of_its_own_and_moves_nothing():
    world = Simulation()
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.canary_weight == 10, requests=100)
    world.serving.refuses = "InferenceService default/iris: KServe 0.19 has no spec.canary; 0.20 or later is needed"
    world.run(ticks=5, requests=100)
    condition = world.status.condition("Degraded")
    assert (condition.reason, condition.message) == ("TargetUnsupported", world.serving.refuses)
    assert (world.status.canary_weight, world.traffic.now) == (10, {"1": 90, "2": 10})
    world.serving.refuses = None
    world.until(promoted, requests=200)
