"""KServe's own weights (0.21 and later), on objects as its sources of 2026-08 write them: no such release can be run here."""

import copy

import pytest

from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.ports.inferenceservice import Placed, desired, percents, problems
from kanarya_rollout.ports.installation import Installation
from kanarya_rollout.ports.kserve_traffic import KServeTraffic
from kanarya_rollout.testing import a_rollout, digest


def at(version):
    return Placed(version=version, digest=digest(version), storage_uri=f"s3://mlflow/{version}")


class Server:
    """The two objects, with resource versions and who wrote last."""

    def __init__(self):
        bare = {
            "metadata": {"name": "iris", "resourceVersion": "1", "managedFields": []},
            "spec": {"predictor": {"model": {"modelFormat": {"name": "kanarya"}}}},
        }
        self.service = desired(bare, at("7"), [at("8")])
        self.route = None
        self.writes = 0

    def get(self, path):
        return copy.deepcopy(self.service if "inferenceservices" in path else self.route)

    def replace(self, path, body):
        if body["metadata"]["resourceVersion"] != self.service["metadata"]["resourceVersion"]:
            raise Conflict(path)
        self.write(body["spec"], "kanarya-rollout")
        return self.get(path)

    def write(self, spec, manager):
        self.writes += 1
        self.service["spec"] = spec
        metadata = self.service["metadata"]
        metadata["resourceVersion"] = str(self.writes + 1)
        metadata["managedFields"] = [{"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {}}}]

    def kserve(self, *, accepted=True):
        """KServe writes its route, and the gateway takes it, or not yet."""
        weights = percents(self.service)
        backends = [{"kind": "Service", "name": f"iris-v{one}-predictor", "port": 80} for one in weights]
        if len(backends) > 1:
            backends = [{**one, "weight": weight} for one, weight in zip(backends, weights.values(), strict=True)]
        rule = {"matches": [{"path": {"type": "RegularExpression", "value": "^/.*$"}}], "backendRefs": backends}
        generation = (self.route["metadata"]["generation"] if self.route else 0) + 1
        seen = generation if accepted else generation - 1
        conditions = [{"type": kind, "status": "True", "observedGeneration": seen} for kind in ("Accepted", "ResolvedRefs")]
        parent = {"parentRef": {"name": "kserve-ingress-gateway", "namespace": "kserve"}, "conditions": conditions}
        self.route = {
            "metadata": {"name": "iris", "generation": generation},
            "spec": {"rules": [rule]},
            "status": {"parents": [parent]},
        }


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def traffic(server):
    return KServeTraffic(server, a_rollout(traffic={"driver": "kserve"}))


def test_a_weight_is_asked_of_the_canary_and_in_force_once_kserves_route_is(server, traffic):
    server.kserve()
    assert traffic.in_force() == {"7": 100, "8": 0}
    traffic.route({"7": 75, "8": 25})
    assert server.service["spec"]["canary"][0]["trafficPercent"] == 25
    assert traffic.in_force() == {"7": 100, "8": 0}
    server.kserve(accepted=False)
    assert traffic.in_force() == {"7": 100, "8": 0}
    server.kserve()
    assert traffic.in_force() == {"7": 75, "8": 25}


def test_asking_again_writes_nothing(server, traffic):
    traffic.route({"7": 75, "8": 25})
    traffic.route({"7": 75, "8": 25})
    assert server.writes == 1


def test_a_version_that_kserve_does_not_run_yet_gets_nothing(server, traffic):
    with pytest.raises(Unreachable, match="does not run version 9 yet"):
        traffic.route({"7": 90, "9": 10})
    assert server.writes == 0


def test_versions_keep_their_weights_when_they_change_sides_at_a_promotion(server, traffic):
    traffic.route({"7": 0, "8": 100})
    promoted = desired(server.service, at("8"), [at("7")], percents(server.service))
    assert percents(promoted) == {"8": 100, "7": 0}
    assert percents(desired(promoted, at("8"), [], percents(promoted))) == {"8": 100}


def test_one_backend_alone_has_everything_whatever_weight_is_written(server, traffic):
    server.write(desired(server.service, at("8"), [])["spec"], "kanarya-rollout")
    server.kserve()
    assert traffic.in_force() == {"8": 100}


def test_a_kserve_that_writes_no_weights_is_never_in_force(server, traffic):
    traffic.route({"7": 75, "8": 25})
    server.kserve()
    server.route["spec"]["rules"][0]["backendRefs"] = [{"kind": "Service", "name": "iris-v7-predictor", "port": 80}]
    assert traffic.in_force() == {"7": 100}


def test_percents_written_by_hand_are_seen_and_taken_back_only_when_asked_for(server, traffic):
    traffic.route({"7": 75, "8": 25})
    by_hand = copy.deepcopy(server.service["spec"])
    by_hand["canary"][0]["trafficPercent"] = 60
    server.write(by_hand, "kubectl-edit")
    assert traffic.in_force() is None
    traffic.route({"7": 75, "8": 25})
    server.kserve()
    assert traffic.in_force() == {"7": 75, "8": 25}


def test_until_kserve_has_made_its_route_nothing_is_in_force(traffic):
    assert traffic.in_force() == {}


def test_each_driver_wants_kserves_routes_to_be_or_not_to_be():
    routed = {"metadata": {"name": "iris"}, "spec": {"predictor": {"model": {"modelFormat": {"name": "kanarya"}}}}}
    assert problems(routed, kserve=Installation(), driver="kserve") == []
    assert "use driver gateway" in problems(routed, kserve=Installation(own_routes=False), driver="kserve")[0]
    assert "cluster-local" in problems(routed, kserve=Installation(), driver="gateway")[0]
