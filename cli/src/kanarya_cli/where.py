"""Which world a command line means: a cluster, or local mode. Used by `commands.rollout` and `commands.infer`.

The rule: `-n`, `--context`, `--kubeconfig` and `--cluster` mean a cluster, `--state` and `--local` local mode. Where none of
them is typed, KANARYA_CLUSTER decides, and without it local mode is meant. Words for both in one line are refused: nobody is to
steer the one and mean the other.
"""

import functools
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import typer

from kanarya_cli.options import DEFAULT_STATE, Context, InCluster, Kubeconfig, Namespace, State
from kanarya_cli.rollouts import LocalRollouts, Rollouts
from kanarya_contracts.problems import KanaryaError


@dataclass(frozen=True, kw_only=True)
class Where:
    """A world, and where in it."""

    cluster: bool
    """Whether it is a cluster; `state` says where local mode is, the others say where on a cluster."""
    state: Path = DEFAULT_STATE
    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None

    @classmethod
    def of(cls, line: typer.Context) -> "Where":
        """What the options of a command line say, complete or not. Raises KanaryaError if they contradict each other."""
        given = {option.name: line.params.get(option.name) for option in _OPTIONS}
        sources = {name: line.get_parameter_source(name) for name in given}
        typed = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
        if "cluster" in typed and not given["cluster"]:
            typed = typed - {"cluster"} | {"local"}
        return cls(
            cluster=means_cluster(typed, otherwise=bool(given["cluster"])),
            state=Path(given["state"] or DEFAULT_STATE),
            namespace=given["namespace"],
            context=given["context"],
            kubeconfig=given["kubeconfig"],
        )

    def rollouts(self) -> Rollouts:
        """The rollouts there. Raises KanaryaError where no kubeconfig leads to a cluster."""
        if not self.cluster:
            return LocalRollouts(self.state)
        from kanarya_cli import cluster  # noqa: PLC0415 (the Kubernetes client takes half a second to import)

        return cluster.ClusterRollouts(
            cluster.connect(namespace=self.namespace, context=self.context, kubeconfig=self.kubeconfig)
        )


_OF_A_CLUSTER = {"namespace": "-n", "context": "--context", "kubeconfig": "--kubeconfig", "cluster": "--cluster"}
_OF_LOCAL_MODE = {"state": "--state", "local": "--local"}


def means_cluster(typed: Collection[str], *, otherwise: bool) -> bool:
    """Whether a command line with these options means a cluster; `otherwise`: if it says nothing about it.

    Raises KanaryaError if they mean both.
    """
    there, here = ([word for name, word in words.items() if name in typed] for words in (_OF_A_CLUSTER, _OF_LOCAL_MODE))
    if there and here:
        raise KanaryaError(f"{', '.join(there)} means a cluster and {', '.join(here)} means local mode; give one or the other")
    return bool(there) or (otherwise and not here)


def anywhere(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes `where: Where`, as one with the options that say so."""
    own = [one for one in inspect.signature(command, eval_str=True).parameters.values() if one.name != "where"]
    line = inspect.Parameter("line", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    names = {one.name for one in own}

    @functools.wraps(command)
    def placed(line: typer.Context, **given: object) -> None:
        command(**{name: value for name, value in given.items() if name in names}, where=Where.of(line))

    placed.__signature__ = inspect.Signature([line, *own, *_OPTIONS])  # type: ignore[attr-defined]
    return placed


def _options(
    state: State = DEFAULT_STATE,
    cluster: InCluster = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """The options themselves."""


_OPTIONS = tuple(inspect.signature(_options, eval_str=True).parameters.values())
