"""What KServe 0.20, the kubelet and Envoy Gateway do to objects, as far as the controller can see it. Used by
`test_apiserver_kserve.py` and `stage.py`; the real ones are in `tests/e2e`.

KServe makes a Deployment named `{service}-{predictor.name}-predictor` for the predictor and each canary, whose template it
merges over the predictor's; what a spec does not name any more it deletes. A pod lives as long as its template is the same.
"""

import hashlib
import json


def predictors(service):
    """Name of the Deployment → merged predictor, as KServe sees them."""
    spec, name = service["spec"], service["metadata"]["name"]
    stable = spec["predictor"]
    every = [stable, *(_merged(stable, one["predictor"]) for one in spec.get("canary") or ())]
    return {f"{name}-{one['name']}-predictor" if one.get("name") else f"{name}-predictor": one for one in every}


def template(predictor):
    """What ends up in the pod: everything but replicas and the name."""
    return {key: value for key, value in predictor.items() if key not in {"name", "minReplicas", "maxReplicas"}}


def replicas(service):
    """Name of the Deployment → pods, as KServe counts them: canaries' are taken from the stable's, down to one."""
    spec = service["spec"]
    canaries = [one["predictor"].get("minReplicas", 1) for one in spec.get("canary") or ()]
    stable = max(1, spec["predictor"].get("minReplicas", 1) - sum(canaries))
    return dict(zip(predictors(service), [stable, *canaries], strict=True))


def _merged(stable, canary):
    """mergo.Merge(stable, canary, WithOverride): maps deeply, lists whole, empty values override nothing."""
    found = dict(stable)
    for key, value in canary.items():
        if isinstance(value, dict) and isinstance(found.get(key), dict):
            found[key] = _merged(found[key], value)
        elif value not in (None, "", 0, False, [], {}):
            found[key] = value
    return found


class StandIn:
    """Brings the objects of one InferenceService where the real ones would."""

    def __init__(self, server, space, name="iris"):
        self.server, self.space, self.name = server, space, name
        self.service = f"/apis/serving.kserve.io/v1beta1/namespaces/{space}/inferenceservices/{name}"
        self.route = f"/apis/gateway.networking.k8s.io/v1/namespaces/{space}/httproutes/{name}-rollout"
        self.pods = {}
        """Name of the Deployment → (digest of the template, pod's name)."""

    def turn(self):
        """One reconciliation of everything."""
        service = self.server.get(self.service)
        if service is not None:
            wanted = predictors(service)
            for gone in self.pods.keys() - wanted.keys():
                self._delete(gone)
            for name, predictor in wanted.items():
                self._deploy(name, predictor)
        if self.server.get(self.route) is not None:
            self.confirm()

    def confirm(self):
        """The gateway has the route."""
        route = self.server.get(self.route)
        seen = {"observedGeneration": route["metadata"]["generation"], "lastTransitionTime": "2026-01-01T00:00:00Z"}
        conditions = [
            {"type": kind, "status": "True", "reason": kind, "message": "", **seen} for kind in ("Accepted", "ResolvedRefs")
        ]
        parent = {
            "parentRef": route["spec"]["parentRefs"][0],
            "controllerName": "example.com/gateway",
            "conditions": conditions,
        }
        self.server.merge(f"{self.route}/status", {"status": {"parents": [parent]}}, manager="gateway")

    def pod_status(self, deployment, status):
        """What the kubelet says of a Deployment's pod."""
        self.server.merge(f"{self._pods}/{self.pods[deployment][1]}/status", {"status": status}, manager="kubelet")

    @property
    def _pods(self):
        return f"/api/v1/namespaces/{self.space}/pods"

    def _deploy(self, name, predictor):
        digest = hashlib.sha256(json.dumps(template(predictor), sort_keys=True).encode()).hexdigest()[:8]
        if self.pods.get(name, ("",))[0] == digest:
            return
        self._delete(name)
        labels = {"app": f"isvc.{name}", "serving.kserve.io/inferenceservice": self.name, **(predictor.get("labels") or {})}
        pod = {"containers": [{"name": "kserve-container", "image": "model"}]}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "selector": {"matchLabels": {"app": labels["app"]}},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }
        self.server.apply(f"/apis/apps/v1/namespaces/{self.space}/deployments/{name}", body, manager="kserve")
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{name}-{digest}", "labels": labels}, "spec": pod}
        self.server.apply(f"{self._pods}/{name}-{digest}", made, manager="kubelet")
        self.pods[name] = (digest, f"{name}-{digest}")
        self.pod_status(name, {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})

    def _delete(self, name):
        if name in self.pods:
            self.server.delete(f"{self._pods}/{self.pods.pop(name)[1]}")
            self.server.delete(f"/apis/apps/v1/namespaces/{self.space}/deployments/{name}")
