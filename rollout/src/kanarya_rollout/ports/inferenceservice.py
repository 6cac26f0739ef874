"""The InferenceService of one rollout as a pure mapping: versions → the fields that are ours, and back. Used by `kserve`.

Ours: `spec.predictor.name` and `.storageUri` (the stable version), `spec.canary` (every other one), the label and the
environment variables that tell a server who it is, and `minReplicas` while there are canaries. KServe merges a
canary over the predictor and makes the same pod template of either, so a version that changes sides keeps its pods. For that,
nothing in a predictor says who is stable. A canary's traffic percent is 0 where the weights stand in an HTTPRoute of ours.

KServe takes a canary's pods from the stable's `minReplicas`, down to one. While there are canaries it is raised by theirs, so
that each version has as many pods as a person asked for the stable one.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kanarya_contracts.names import FIELD_MANAGER, LABEL_VERSION
from kanarya_contracts.rollout import VersionRef
from kanarya_rollout.ports.api import Document
from kanarya_rollout.ports.installation import CONFIG_MAP, Installation, Version

KSERVE_API = "serving.kserve.io/v1beta1"
"""apiVersion of InferenceService."""

LABEL_SERVICE = "serving.kserve.io/inferenceservice"
"""KServe's label on what it makes for an InferenceService."""

LABEL_VISIBILITY = "networking.kserve.io/visibility"
"""With `cluster-local`, KServe makes no route of its own. KServe copies labels to pods: set later, it would restart them."""

ENV_NAME = "KANARYA_MODEL_NAME"
"""The model server's setting for its name in paths and metrics: the InferenceService's."""

ENV_VERSION = "KANARYA_MODEL_VERSION"
"""The model server's setting for the registry version it serves."""

ENV_DIGEST = "KANARYA_MODEL_DIGEST"
"""The model server's setting for the digest that it refuses any other than."""

CANARIES_SINCE, WEIGHTS_SINCE = Version(0, 20), Version(0, 21)
"""KServe's releases: the first that runs `spec.canary`, and the first that gives it requests."""

_STANDARD = frozenset({"", "Standard", "RawDeployment"})


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A version where KServe runs it."""

    version: str
    digest: str
    """Of its kanarya.json."""
    storage_uri: str
    """Where KServe's storage initializer finds it."""


def placed(ref: VersionRef, artifacts_root: str | None) -> Placed:
    """A pinned version with the storage URI that KServe takes. Raises ValueError that says what is missing.

    `artifacts_root`: what MLflow's `--artifacts-destination` is, such as `s3://mlflow`; stands for `mlflow-artifacts:`.
    """
    uri = ref.uri or ""
    scheme, _, path = uri.partition(":")
    if scheme == "mlflow-artifacts":
        if artifacts_root is None:
            raise ValueError(
                f"version {ref.version} lies at {uri}; set KANARYA_ROLLOUT_ARTIFACTS_ROOT to where MLflow keeps it"
            )
        path = path.removeprefix("//").partition("/")[2] if path.startswith("//") else path
        uri = f"{artifacts_root.rstrip('/')}/{path.strip('/')}"
    elif scheme not in {"s3", "gs", "https", "http", "hf", "pvc", "oci"}:
        raise ValueError(f"version {ref.version} lies at {uri!r}, where KServe cannot fetch it; register it in S3")
    if ref.digest is None:
        raise ValueError(f"version {ref.version} has no digest in the registry")
    return Placed(version=ref.version, digest=ref.digest, storage_uri=uri)


def registered(place: Placed, artifacts_root: str | None) -> VersionRef:
    """What `placed` was made from."""
    root, uri = (artifacts_root or "").rstrip("/"), place.storage_uri
    if root and uri.startswith(f"{root}/"):
        uri = f"mlflow-artifacts:{uri.removeprefix(root)}"
    return VersionRef(version=place.version, digest=place.digest, uri=uri)


def predictor_name(version: str) -> str:
    """What `predictor.name` is for a version."""
    return f"v{version}"


def service_name(service: str, version: str) -> str:
    """The Deployment and the Service that KServe makes for a version."""
    return f"{service}-{predictor_name(version)}-predictor"


def version_of_service(service: str, name: str) -> str | None:
    """The version that a Deployment or Service of this InferenceService is for; None for any other."""
    begins, ends = f"{service}-v", "-predictor"
    inside = name[len(begins) : -len(ends)] if name.startswith(begins) and name.endswith(ends) else ""
    return inside or None


def present(document: Document) -> tuple[Placed, ...]:
    """What the object asks KServe to run: the stable version first. A predictor that was never ours is left out."""
    spec = document["spec"]
    predictors = [spec.get("predictor", {}), *(one.get("predictor", {}) for one in spec.get("canary") or ())]
    return tuple(found for found in map(_read, predictors) if found is not None)


def percents(document: Document) -> dict[str, int]:
    """Version → percent that the object itself asks KServe for; the stable version has what the canaries leave."""
    places, canaries = present(document), document["spec"].get("canary") or []
    shares = [int(one.get("trafficPercent") or 0) for one in canaries]
    return dict(zip((place.version for place in places), [100 - sum(shares), *shares], strict=False))


def weighted(document: Document, weights: Mapping[str, int]) -> Document:
    """The object with these percents on its canaries, everything else as it is."""
    wanted = copy.deepcopy(document)
    for one in wanted["spec"].get("canary") or ():
        place = _read(one["predictor"])
        one["trafficPercent"] = weights.get(place.version, 0) if place is not None else 0
    return wanted


def desired(document: Document, stable: Placed, others: Sequence[Placed], weights: Mapping[str, int] | None = None) -> Document:
    """The object with our fields as they are to be, everything else as it is.

    `weights`: percents that versions keep, whichever side they are on, where KServe does the routing.
    """
    wanted = copy.deepcopy(document)
    spec, count = wanted["spec"], replicas(document)
    predictor = spec["predictor"]
    most = predictor.get("maxReplicas") or 0
    raised = count * (1 + len(others))
    predictor["minReplicas"] = min(raised, most) if most else raised
    ours = {ENV_NAME, ENV_VERSION, ENV_DIGEST}
    base_env = [one for one in predictor["model"].get("env") or () if one["name"] not in ours]
    base_env.append({"name": ENV_NAME, "value": wanted["metadata"]["name"]})
    _write(predictor, stable, base_env)
    spec.pop("canary", None)
    if others:
        spec["canary"] = [_canary(predictor, one, base_env, count) for one in others]
    return weighted(wanted, weights or {})


def replicas(document: Document) -> int:
    """How many pods each version is to have: what a person wrote as `minReplicas`, at least 1."""
    spec = document["spec"]
    predictor, canaries = spec["predictor"], spec.get("canary") or []
    written = max(1, int(predictor.get("minReplicas") or 1))
    if not canaries:
        return written
    each = int(canaries[0]["predictor"].get("minReplicas") or 1)
    raised, most = each * (1 + len(canaries)), int(predictor.get("maxReplicas") or 0)
    return each if written == (min(raised, most) if most else raised) else written


def covers(live: object, wanted: object) -> bool:
    """Whether everything wanted stands in `live`, which may say more (defaults of the API server's)."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(key in live and covers(live[key], value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(covers, live, wanted))
    return live == wanted


def owned(document: Document) -> bool:
    """Whether we are the last who wrote `spec.predictor.name`, or a spec that has one owner only."""
    for entry in document["metadata"].get("managedFields") or ():
        spec = entry.get("fieldsV1", {}).get("f:spec")
        if entry.get("manager") != FIELD_MANAGER or spec is None or entry.get("subresource"):
            continue
        if spec == {} or "f:name" in spec.get("f:predictor", {}):
            return True
    return False


def problems(document: Document, *, kserve: Installation, driver: Literal["gateway", "kserve"] = "gateway") -> list[str]:
    """Why a rollout cannot work with this object, in this cluster. `driver`: `spec.traffic.driver`."""
    metadata, spec = document["metadata"], document["spec"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    predictor = spec.get("predictor") or {}
    wrong = _unfit(kserve, driver)
    mode = document.get("status", {}).get("deploymentMode") or annotations.get("serving.kserve.io/deploymentMode")
    default = "" if mode else ", KServe's default here"
    if (mode or kserve.default_mode or "") not in _STANDARD:
        wrong.append(
            f"its deployment mode is {mode or kserve.default_mode}{default}; this controller works in Standard mode, which the "
            "annotation serving.kserve.io/deploymentMode sets when it is created"
        )
    routed = kserve.own_routes is not False and labels.get(LABEL_VISIBILITY) != "cluster-local"
    if driver == "kserve" and not routed:
        wrong.append("KServe makes no routes for it, and spec.traffic.driver is kserve; use driver gateway")
    if driver == "gateway" and routed:
        wrong.append(
            f"it lacks the label {LABEL_VISIBILITY}: cluster-local, so KServe writes routes beside ours; create it anew"
        )
    if spec.get("transformer"):
        wrong.append("it has a transformer, which calls the stable version alone; take it out of spec.transformer")
    if not predictor.get("model"):
        wrong.append("it has no spec.predictor.model; versions are set there")
    if predictor.get("canaryTrafficPercent") is not None:
        wrong.append("it sets spec.predictor.canaryTrafficPercent, which is Knative's; take it out")
    if annotations.get("serving.kserve.io/stop") == "true":
        wrong.append("it is stopped by the annotation serving.kserve.io/stop")
    if predictor.get("name") and _read(predictor) is None:
        wrong.append(f"it sets spec.predictor.name to {predictor['name']}, which is the controller's to set; leave it out")
    if not predictor.get("name") and predictor.get("model", {}).get("storageUri"):
        wrong.append("it sets spec.predictor.model.storageUri, which is the controller's to set; leave it out")
    return wrong


def _unfit(kserve: Installation, driver: Literal["gateway", "kserve"]) -> list[str]:
    """Why this KServe cannot do it. What is unknown of it is not held against it."""
    wrong = []
    if kserve.version is not None and kserve.version < CANARIES_SINCE:
        wrong.append(f"KServe {kserve.version} has no spec.canary; {CANARIES_SINCE} or later is needed")
    elif kserve.version is not None and kserve.version < WEIGHTS_SINCE and driver == "kserve":
        wrong.append(
            f"KServe {kserve.version} gives canaries no requests, and spec.traffic.driver is kserve, which needs "
            f"{WEIGHTS_SINCE} or later; use driver gateway"
        )
    if driver == "kserve" and kserve.gateway_api is False:
        wrong.append(
            "KServe writes Ingresses, which split nothing, and spec.traffic.driver is kserve; use driver gateway, or set "
            f"enableGatewayApi in its ConfigMap {CONFIG_MAP}"
        )
    return wrong


def _read(predictor: Mapping[str, object]) -> Placed | None:
    name, model = str(predictor.get("name") or ""), predictor.get("model")
    if not name.startswith("v") or not isinstance(model, Mapping):
        return None
    variables = {one["name"]: str(one.get("value", "")) for one in model.get("env") or ()}
    return Placed(
        version=name.removeprefix("v"), digest=variables.get(ENV_DIGEST, ""), storage_uri=str(model.get("storageUri") or "")
    )


def _write(predictor: Document, place: Placed, base_env: Sequence[Document]) -> None:
    predictor["name"] = predictor_name(place.version)
    predictor["labels"] = {**(predictor.get("labels") or {}), LABEL_VERSION: place.version}
    predictor["model"]["storageUri"] = place.storage_uri
    predictor["model"]["env"] = [
        *base_env,
        {"name": ENV_VERSION, "value": place.version},
        {"name": ENV_DIGEST, "value": place.digest},
    ]


def _canary(stable: Document, place: Placed, base_env: Sequence[Document], count: int) -> Document:
    """A canary says what differs, and the whole environment, because KServe replaces lists when it merges.

    KServe's schema wants a container's name in a canary's model, and KServe leaves the runtime's where it is empty.
    """
    predictor: Document = {"minReplicas": count, "model": {"name": "", "modelFormat": stable["model"]["modelFormat"]}}
    _write(predictor, place, base_env)
    return {"trafficPercent": 0, "predictor": predictor}
