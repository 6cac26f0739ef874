"""A cluster by its kubeconfig, and the rollouts of one of its namespaces. Used by `where` and `commands.doctor`.

`--kubeconfig`, `--context` and `-n` mean what they mean to kubectl; so does KUBECONFIG, a list of files included. Refuses a
context that is not there by naming those that are. What the API server does not answer is told with what to do about it.
"""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import yaml
from kubernetes.config import ConfigException
from kubernetes.config.kube_config import KubeConfigMerger

from kanarya_cli.rollouts import Records
from kanarya_contracts.names import APP_CONTROLLER, LABEL_APP
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import ModelRollout, Request
from kanarya_rollout.ports import Unreachable
from kanarya_rollout.ports.api import KubernetesApi, Refused
from kanarya_rollout.ports.kubernetes import KubernetesStore

_DEFAULT = "~/.kube/config"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """An API server, and how the command line came to it."""

    api: KubernetesApi
    namespace: str
    """The one that was asked for, or the context's."""
    options: str
    """What a command line needs to mean it again: `-n kanarya --context kind`."""
    named: str
    """For sentences: `context kind of ~/.kube/config`."""


def connect(*, namespace: str | None, context: str | None, kubeconfig: str | None) -> Cluster:
    """The cluster that these words mean to kubectl. Nothing is asked of it yet. Raises KanaryaError where they lead to none."""
    path = kubeconfig or os.environ.get("KUBECONFIG") or _DEFAULT
    contexts, current = _contexts(path)
    name = context or current
    if name not in contexts:
        there = ", ".join(contexts) or "none"
        what = f"no context {name!r}" if name else "no current context"
        raise KanaryaError(f"there is {what} in {path}; there are: {there}. Name one with --context")
    space = namespace or contexts[name] or "default"
    words = ["-n", space, *(["--context", context] if context else []), *(["--kubeconfig", kubeconfig] if kubeconfig else [])]
    return Cluster(
        api=KubernetesApi.connected(path, context=name),
        namespace=space,
        options=shlex.join(words),
        named=f"context {name} of {path}",
    )


def _contexts(path: str) -> tuple[dict[str, str | None], str | None]:
    """Name of each context → its namespace, and which is current."""
    try:
        found = KubeConfigMerger(path).config  # type: ignore[no-untyped-call]
        if found is None:
            raise KanaryaError(f"there is no kubeconfig at {path}; name one with --kubeconfig or KUBECONFIG")
        contexts = {one["name"]: (one.safe_get("context") or {}).get("namespace") for one in found.safe_get("contexts") or ()}
        return contexts, found.safe_get("current-context")
    except (ConfigException, OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise KanaryaError(f"{path} is not a kubeconfig that can be read: {said}") from None


class ClusterRollouts:
    """Those of one namespace on a cluster."""

    every = 1.0

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._space = cluster.namespace
        self._store = KubernetesStore(cluster.api, [cluster.namespace])
        self.options = cluster.options
        self.named = f"namespace {cluster.namespace} ({cluster.named})"

    def names(self) -> tuple[str, ...]:
        """As the port says."""
        with self._advised():
            return tuple(name.removeprefix(f"{self._space}/") for name in self._store.names())

    def get(self, name: str) -> ModelRollout:
        """As the port says."""
        with self._advised():
            found = self._store.get(f"{self._space}/{name}")
            if found is None:
                raise KanaryaError(self._absent(name))
        return found[0]

    def request(self, name: str, request: Request) -> None:
        """As the port says."""
        with self._advised():
            self._store.request(f"{self._space}/{name}", request)

    def controller(self) -> str:
        """As the port says; names the Deployment where it can be found."""
        selector = f"{LABEL_APP}={APP_CONTROLLER}"
        try:
            found = [one["metadata"] for one in self._cluster.api.items("/apis/apps/v1/deployments", labelSelector=selector)]
        except Unreachable:
            found = []
        logs = [f"kubectl -n {one['namespace']} logs deploy/{one['name']}" for one in found]
        return ", ".join(["kanarya doctor", *(logs or [f"kubectl get deploy -A -l {selector}"])])

    def records(self) -> Records:
        """As the port says."""
        return Records(namespace=self._space)

    def _absent(self, name: str) -> str:
        """Where there is one of that name, or what else there is. A list tells a missing object from a missing kind."""
        here = ", ".join(self.names()) or "none"
        try:
            elsewhere = [one for one in KubernetesStore(self._cluster.api).names() if one.endswith(f"/{name}")]
        except Unreachable:  # not everybody may look into every namespace
            elsewhere = []
        there = f" There is: {', '.join(elsewhere)}, which -n asks for." if elsewhere else ""
        return f"there is no rollout {name!r} in {self.named}; there are: {here}.{there} Ask local mode with: --local"

    @contextmanager
    def _advised(self) -> Iterator[None]:
        try:
            yield
        except Unreachable as error:
            raise KanaryaError(f"{error}\n{advice(error, self._cluster)} Local mode: --local") from None


def advice(error: Unreachable, cluster: Cluster) -> str:
    """What to do when the API server does not answer, or refuses."""
    asked = f"Asked was {cluster.named}; another one: --context, --kubeconfig."
    if not isinstance(error, Refused):
        return f"Is the cluster up, and is it the right one? {asked}"
    match error.status:
        case 401:
            return f"Log in to the cluster again. {asked}"
        case 403:
            return (
                f"Looking at rollouts needs the role view in namespace {cluster.namespace}, steering them edit; "
                f"ask whoever runs the cluster for it. {asked}"
            )
        case 404:
            return f"This cluster does not know ModelRollout: helm install rollout helm/rollout -n NAMESPACE. {asked}"
        case _:
            return f"kanarya doctor looks for what is wrong. {asked}"
