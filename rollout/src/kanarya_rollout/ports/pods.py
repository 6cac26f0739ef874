"""Pods and Deployments as a Backend: what a version's server is doing, and why. Pure; used by `kserve`.

Ready       a pod of it is ready
Refused     the model server ended because the artifact is not what was registered
Failed      a container ends again and again, an image cannot be had, or no pod may be created; with the last words said
Starting    anything else

A Failed backend may yet come up; `progressDeadlineSeconds` says how long it may take.
"""

import re
from collections.abc import Iterable, Sequence

from pydantic import Field

from kanarya_rollout.observation import Backend
from kanarya_rollout.ports.seen import Condition, Seen

REFUSED_STATUS = 2
"""Exit status of `kanarya-model serve` for an artifact it refuses, and for bad settings."""

_SAID = re.compile(r"^kanarya-model: (?!settings: )(?P<reason>.+)$", re.MULTILINE)
_EXAMPLE = re.compile(r"^\S+: example: (?P<problems>.+)$")
_STUCK = frozenset(
    {
        "CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull",
        "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
    }
)  # fmt: skip
_LONGEST = 400
"""Characters of a container's last words that a condition repeats."""


class _Waiting(Seen):
    reason: str = ""
    message: str = ""


class _Terminated(Seen):
    exit_code: int
    reason: str = ""
    message: str = ""


class _State(Seen):
    waiting: _Waiting | None = None
    terminated: _Terminated | None = None


class _Container(Seen):
    name: str
    state: _State = _State()
    last_state: _State = _State()

    @property
    def ended(self) -> _Terminated | None:
        """How it last ended, if not well."""
        ends = (self.state.terminated, self.last_state.terminated)
        return next((one for one in ends if one is not None and one.exit_code != 0), None)


class _PodStatus(Seen):
    phase: str = "Pending"
    conditions: tuple[Condition, ...] = ()
    init_container_statuses: tuple[_Container, ...] = ()
    container_statuses: tuple[_Container, ...] = ()


class _Metadata(Seen):
    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    deletion_timestamp: str | None = None


class Pod(Seen):
    """What is read of a pod."""

    metadata: _Metadata
    status: _PodStatus = _PodStatus()

    @property
    def ready(self) -> bool:
        """Whether it takes requests, and is not on its way out."""
        return self.metadata.deletion_timestamp is None and any(
            one.type == "Ready" and one.status == "True" for one in self.status.conditions
        )

    @property
    def containers(self) -> tuple[_Container, ...]:
        """Init containers first."""
        return (*self.status.init_container_statuses, *self.status.container_statuses)


class _DeploymentStatus(Seen):
    conditions: tuple[Condition, ...] = ()


class Deployment(Seen):
    """What is read of a Deployment."""

    metadata: _Metadata
    status: _DeploymentStatus = _DeploymentStatus()


def backend(version: str, deployment: Deployment | None, pods: Sequence[Pod]) -> Backend:
    """What a version's server is doing. `pods`: those of its Deployment."""
    here = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
    if any(pod.ready for pod in here):
        return Backend(version=version, state="Ready")
    refusal = next((reason for pod in here for reason in _refusals(pod)), None)
    if refusal is not None:
        example = _EXAMPLE.match(refusal)
        if example:
            return Backend(version=version, state="Failed", example_problems=tuple(example["problems"].split("; ")))
        return Backend(version=version, state="Refused", message=refusal)
    failure = next((reason for pod in here for reason in _failures(pod)), None) or _not_created(deployment)
    if failure is not None:
        return Backend(version=version, state="Failed", message=failure)
    return Backend(version=version, state="Starting", message=_waiting(deployment, here))


def _refusals(pod: Pod) -> Iterable[str]:
    for container in pod.status.container_statuses:
        if container.ended is not None and container.ended.exit_code == REFUSED_STATUS:
            said = _SAID.findall(container.ended.message)
            yield from (reason[:_LONGEST] for reason in said[-1:])


def _failures(pod: Pod) -> Iterable[str]:
    for container in pod.containers:
        waiting = container.state.waiting
        stuck = waiting is not None and waiting.reason in _STUCK
        if container.ended is not None and (stuck or container.state.terminated is not None):
            yield f"{container.name} ended with status {container.ended.exit_code}: {_last_words(container.ended)}"
        elif waiting is not None and stuck:
            yield f"{container.name}: {waiting.reason}: {waiting.message[:_LONGEST]}"
    if pod.status.phase == "Failed":
        yield f"pod {pod.metadata.name} failed"


def _last_words(end: _Terminated) -> str:
    """The last lines of what it said, or Kubernetes' word for it."""
    lines = [line.strip() for line in end.message.splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-_LONGEST:] or end.reason or "nothing"


def _not_created(deployment: Deployment | None) -> str | None:
    conditions = deployment.status.conditions if deployment else ()
    failed = (one.message for one in conditions if one.type == "ReplicaFailure" and one.status == "True")
    return next((f"no pod can be created: {message[:_LONGEST]}" for message in failed), None)


def _waiting(deployment: Deployment | None, pods: Sequence[Pod]) -> str:
    if deployment is None:
        return "KServe has not made its Deployment yet"
    if not pods:
        return "its pods have not been created yet"
    unplaced = (
        one.message
        for pod in pods
        for one in pod.status.conditions
        if one.type == "PodScheduled" and one.status == "False" and one.message
    )
    return next((f"no node takes its pod: {message[:_LONGEST]}" for message in unplaced), "its pod is starting")
