"""What the cluster's KServe is: its version, its default mode, whether and how it routes. Used by `kserve`, once a pass.

Read from KServe's own ConfigMap, the one object in its namespace that the controller may read. The version is what the
images named there agree on: KServe's chart gives them all the tag of its release. What may not be read, or says nothing, is
unknown: it is said in the log, once, and no verdict follows from it.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from kanarya_rollout.ports import Unreachable
from kanarya_rollout.ports.api import Document, KubernetesApi, collection

CONFIG_MAP = "inferenceservice-config"
"""KServe's, in its own namespace."""

_EVERY = 60.0
"""Seconds between two looks at it."""

_LOG = logging.getLogger("kanarya.controller")
_IMAGES = ("storageInitializer", "agent", "logger", "batcher", "router")
_TAG = re.compile(r":v?(\d+)\.(\d+)(?:\.\d+)?(?:-[\w.]+)?(?:@sha256:[0-9a-f]+)?$")


class Version(NamedTuple):
    """As releases are compared: 0.9 is before 0.20."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """None, everywhere: nobody said so."""

    version: Version | None = None
    default_mode: str | None = None
    """Deployment mode of an InferenceService that names none."""
    gateway_api: bool | None = None
    """Whether it routes with HTTPRoutes; with Ingresses otherwise."""
    own_routes: bool | None = None
    """Whether it makes routes at all."""

    def __str__(self) -> str:
        version = f"KServe {self.version}" if self.version else "KServe of a version that nothing tells"
        routes = {None: "routes unknown", True: "HTTPRoutes", False: "Ingresses"}[self.gateway_api]
        mode = f"default mode {self.default_mode or 'unknown'}"
        return f"{version}, {mode}, {'no routes of its own' if self.own_routes is False else routes}"


def told(config_map: Document) -> Installation:
    """What a ConfigMap says."""
    data = config_map.get("data") or {}
    deploy, ingress = _parsed(data.get("deploy")), _parsed(data.get("ingress"))
    tags = (_TAG.search(str((_parsed(data.get(key)) or {}).get("image", ""))) for key in _IMAGES)
    versions = {Version(int(tag[1]), int(tag[2])) for tag in tags if tag is not None}
    return Installation(
        version=versions.pop() if len(versions) == 1 else None,
        default_mode=deploy.get("defaultDeploymentMode") if deploy else None,
        gateway_api=bool(ingress.get("enableGatewayApi")) if ingress else None,
        own_routes=not ingress.get("disableIngressCreation") if ingress else None,
    )


class KServe:
    """The one KServe of a cluster, for every rollout. Safe to use from several threads."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        namespace: str,
        own_routes: bool | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`own_routes`: a person's word, which is stronger than what is read."""
        self._api = api
        self._path = f"{collection('v1', namespace, 'configmaps')}/{CONFIG_MAP}"
        self._own_routes = own_routes
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._looked: float | None = None
        self._found = Installation()
        self._said: str | None = None

    def installation(self) -> Installation:
        """As it was at most a minute ago; the last that could be read, or nothing at all."""
        with self._lock:
            if self._looked is None or self._monotonic() - self._looked >= _EVERY:
                self._look()
                self._looked = self._monotonic()
        return self._found if self._own_routes is None else replace(self._found, own_routes=self._own_routes)

    def _look(self) -> None:
        try:
            document = self._api.get(self._path)
        except Unreachable as error:
            self._say(f"KServe's set-up is unknown, the settings stand for it: {error}", logging.WARNING)
            return
        if document is None:
            self._say(f"KServe's set-up is unknown, the settings stand for it: there is no {self._path}", logging.WARNING)
            return
        self._found = told(document)
        self._say(str(self._found), logging.INFO if self._found.version else logging.WARNING)

    def _say(self, message: str, level: int) -> None:
        if message != self._said:
            _LOG.log(level, "%s", message)
        self._said = message


def _parsed(text: object) -> dict[str, Any] | None:
    """A key's JSON; None where it is absent or is none."""
    try:
        found = json.loads(str(text)) if text is not None else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
