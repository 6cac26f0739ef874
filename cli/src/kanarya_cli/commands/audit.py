"""`kanarya audit`: what was decided about a rollout, by whom, on which numbers; and whether the record of it is whole."""

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from kanarya_cli import audit as records
from kanarya_cli.options import Format, Output, emit
from kanarya_cli.rollouts import Rollouts
from kanarya_cli.where import Where, anywhere
from kanarya_contracts.audit import Head, parsed
from kanarya_contracts.names import TAG_AUDIT
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import ModelRollout

_NOWHERE = "none was made yet, or the controller was not told where to keep them (audit.store of chart rollout)"


@anywhere
def audit(
    name: Annotated[str, typer.Argument(help="The rollout's name. One that is not there any more is looked for as well.")],
    where: Where,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Whether to check that nothing was changed.")] = True,
    place: Annotated[
        str | None,
        typer.Option("--records", envvar="KANARYA_AUDIT", help="Where they lie: s3://bucket/prefix. Default: the status says."),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(
            envvar="MLFLOW_TRACKING_URI", help="MLflow's address, which knows the last record too. Local mode knows it."
        ),
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """Show every decision about a rollout, and check that the record of them is whole.

    Exit status 1: a record was changed, is missing, or was cut off; which one is said. The bucket's key is taken from the
    store's own variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL).
    """
    found, notes = _found(where.rollouts(), name, place, registry, verify=verify)
    faults = {chain.name: chain.faults() if verify else [] for chain in found}
    whole = not any(faults.values())

    def data() -> object:
        return {
            "rollout": name,
            "whole": whole if verify else None,
            "notes": notes,
            "chains": [
                {
                    "chain": chain.name,
                    "records": [document for _, document in chain.documents()],
                    "waiting": sorted(chain.waiting),
                    "faults": [{"record": one.record, "problem": one.problem} for one in faults[chain.name]],
                }
                for chain in found
            ],
        }

    def text() -> RenderableType:
        lines = [Text(note, style="yellow") for note in notes]
        for chain in found if verify else ():
            lines += [Text(_said(chain, one.record, one.problem), style="bold red") for one in faults[chain.name]]
            lines += [] if faults[chain.name] else [Text(f"chain {chain.name}: {records.conclusion(chain)}", style="green")]
        return Group(records.shown(found), *lines)

    emit(output, data, text)
    if not whole:
        raise typer.Exit(1)


def _said(chain: records.Chain, number: int, problem: str) -> str:
    return f"chain {chain.name}: record {number} {problem}" if number else f"chain {chain.name}: {problem}"


def _found(
    rollouts: Rollouts, name: str, place: str | None, registry: str | None, *, verify: bool
) -> tuple[list[records.Chain], list[str]]:
    """The chains of that name, and what could not be looked at. Raises KanaryaError where there is nothing to show."""
    from kanarya_rollout.archive import folder  # noqa: PLC0415
    from kanarya_rollout.ports.objects import Objects  # noqa: PLC0415 (either is slow to import)

    here = rollouts.records()
    one, why = _rollout(rollouts, name)
    known = one.status.audit if one is not None else None
    lies = place or here.place or (known.place if known is not None else None)
    if lies is None:
        raise KanaryaError(why or f"no decision of {name} is on record: {_NOWHERE}")
    within = folder(one.metadata.namespace if one is not None else here.namespace, name)
    contents = Objects(lies).under(within)
    heads, notes = _heads(one, within, registry or here.registry) if verify else ({}, [])
    chains = records.chains(within, contents, heads, known)
    if not chains:
        raise KanaryaError(why or f"no decision of {name} is on record in {lies}")
    return chains, notes


def _rollout(rollouts: Rollouts, name: str) -> tuple[ModelRollout | None, str]:
    try:
        return rollouts.get(name), ""
    except KanaryaError as error:
        return None, str(error)


def _heads(rollout: ModelRollout | None, within: str, registry: str | None) -> tuple[dict[str, Head], list[str]]:
    """What the registry knows: chain → its end."""
    if rollout is None:
        return {}, ["the rollout is not there any more: its records were not compared with anything that knows the last one"]
    if registry is None:
        return {}, ["the registry was not asked for the last record: name it with --registry or MLFLOW_TRACKING_URI"]
    from kanarya_rollout.ports import Unreachable  # noqa: PLC0415
    from kanarya_rollout.ports.mlflow import MlflowRegistry  # noqa: PLC0415 (slow to import)

    try:
        tags = MlflowRegistry(registry).model_tags(rollout.spec.registry.model)
    except Unreachable as error:
        return {}, [f"the registry was not asked for the last record: {error}"]
    return heads_of(tags, within), []


def heads_of(tags: Mapping[str, str], within: str) -> dict[str, Head]:
    """From a model's tags, those about this rollout's chains."""
    found = {}
    for key, value in tags.items():
        document = parsed(value.encode()) or {}
        if key.startswith(TAG_AUDIT) and document.get("rollout") == within.rstrip("/"):
            head = Head.of(document, "the registry")
            if head is not None:
                found[key.removeprefix(TAG_AUDIT)] = head
    return found
