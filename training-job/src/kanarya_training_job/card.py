"""The model card: one page about a model for people, in the order of Mitchell et al., "Model Cards for Model Reporting"
(2019), with nothing on it that was not measured. Pure. Called by `package`."""

from kanarya_contracts.artifact import ArtifactContract, CategoricalColumn, CategoricalTarget, Column, Target

FILE = "MODEL_CARD.md"
"""Its name in the artifact."""


def write(contract: ArtifactContract) -> str:
    """Markdown."""
    return "\n\n".join([_title(contract), _inputs(contract), _figures(contract), _data(contract), _limits(contract)]) + "\n"


def _title(contract: ArtifactContract) -> str:
    made = contract.training
    assert made is not None  # noqa: S101 (`package` has written it)
    parameters = ", ".join(f"{name} = {value}" for name, value in made.parameters.items()) or "its defaults"
    served = "ONNX" if contract.runtime.format == "onnx" else f"skops, because {contract.runtime.reason}"
    return "\n".join(
        [
            f"# {contract.model}",
            "",
            *(_purpose(target) for target in contract.targets),
            "",
            f"- Family: {made.family}, with {parameters}",
            f"- Served as: {served}",
            f"- Code: {made.code_revision}; seed {made.seed}",
            f"- Libraries: {', '.join(f'{name} {version}' for name, version in made.libraries.items())}",
        ]
    )


def _purpose(target: Target) -> str:
    if isinstance(target, CategoricalTarget):
        return (
            f"A classifier that tells {', '.join(target.classes[:-1])} and {target.classes[-1]} apart, as {target.name} does."
        )
    return f"A regression of {target.name}; an error of {target.error_bound:g} or more is as bad as any."


def _inputs(contract: ArtifactContract) -> str:
    rows = [f"| {column.name} | {column.datatype} | {_range(column)} |" for column in contract.inputs]
    return "\n".join(["## Inputs", "", "| column | datatype | seen in training |", "|---|---|---|", *rows])


def _range(column: Column) -> str:
    if isinstance(column, CategoricalColumn):
        return f"{', '.join(column.categories)}; other words: {column.unknown}"
    return f"{column.minimum:g} to {column.maximum:g}" + ("; may be missing" if column.nullable else "")


def _figures(contract: ArtifactContract) -> str:
    rows = [
        f"| {name} | {metric.value:.4f} | {'' if metric.spread is None else f'{metric.spread:.4f}'} |"
        for name, metric in sorted(contract.metrics.items())
    ]
    note = "`cv` is the mean over folds of the training rows, `holdout` was measured on rows never trained on."
    return "\n".join(["## Figures", "", note, "", "| metric | value | spread over folds |", "|---|---|---|", *rows])


def _data(contract: ArtifactContract) -> str:
    data = contract.data
    cleaning = ", ".join(f"{what} {count}" for what, count in data.cleaning.items()) or "nothing"
    return "\n".join(
        [
            "## Data",
            "",
            f"- {data.source}, `{data.sha256}`",
            f"- {data.rows} rows after cleaning ({cleaning}), {contract.reference.rows} of them trained on",
            f"- Target: {', '.join(target.name for target in contract.targets)}",
        ]
    )


def _limits(contract: ArtifactContract) -> str:
    counted = next(iter(contract.reference.predictions.values())).counts
    held_out = sum(counted.values() if isinstance(counted, dict) else counted)
    return "\n".join(
        [
            "## Limits",
            "",
            f"- The figures rest on {held_out} held-out rows from the same source: other data may give others.",
            "- Values outside what was seen in training are answered all the same: look at the inputs before believing them.",
            "- No fairness between groups was measured: the data names none.",
        ]
    )
