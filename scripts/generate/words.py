"""Pages about constants: their values from the module, their meaning from the docstrings under them."""

import ast
import inspect
import re
from collections.abc import Iterable
from itertools import pairwise
from types import ModuleType

import documents

from kanarya_contracts.names import REASONS, ConditionType, Reason, Verb


def meanings(owner: ModuleType | type) -> dict[str, str]:
    """Name → the docstring under its assignment, in the order of the source."""
    body = ast.parse(inspect.getsource(owner)).body
    if isinstance(owner, type):
        [definition] = body
        body = definition.body if isinstance(definition, ast.ClassDef) else []
    return dict(_documented(body))


def _documented(body: Iterable[ast.stmt]) -> Iterable[tuple[str, str]]:
    for statement, after in pairwise(body):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(target, ast.Name) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            yield target.id, documents.one_line(str(after.value.value))


_METRIC = re.compile(r"(?P<kind>Counter|Histogram|Gauge) \{(?P<labels>[^}]*)\}: (?P<meaning>.*)")


def metrics_page(module: ModuleType) -> str:
    """Metrics, their labels, histogram bounds."""
    said = meanings(module)
    metrics, labels = [], []
    for name, text in said.items():
        value = getattr(module, name)
        if match := _METRIC.fullmatch(text):
            metrics.append([documents.code(value), match["kind"], match["labels"], documents.sentence(match["meaning"])])
        elif text.startswith("Label: "):
            labels.append([documents.code(value), documents.sentence(text.removeprefix("Label: "))])
    bounds = ", ".join(f"{bound:g}" for bound in module.DURATION_BUCKETS)
    return documents.page(
        "Metrics",
        inspect.getdoc(module) or "",
        documents.table(["Name", "Kind", "Labels", "Meaning"], metrics),
        "## Labels",
        documents.table(["Label", "Meaning"], labels),
        "## Bounds of the durations",
        f"{bounds}\n\n{said['DURATION_BUCKETS']}",
    )


def records_page(module: ModuleType) -> str:
    """Names with their meaning, in one table."""
    rows = [[documents.code(getattr(module, name)), text] for name, text in meanings(module).items()]
    return documents.page("Records", inspect.getdoc(module) or "", documents.table(["Name", "Meaning"], rows))


def names_page(module: ModuleType) -> str:
    """Conditions with their reasons, verbs, and the constants."""
    types, reasons = meanings(ConditionType), meanings(Reason)
    conditions = [
        "\n\n".join(
            [
                f"### {kind.value}",
                types[kind.name],
                documents.table(["Reason", "Meaning"], [[documents.code(r.value), reasons[r.name]] for r in REASONS[kind]]),
            ]
        )
        for kind in ConditionType
    ]
    quiet = f"A condition that is False may say {documents.code(Reason.AS_EXPECTED.value)}: {reasons['AS_EXPECTED']}"
    alone = [reason for reason in Reason if reason not in {Reason.AS_EXPECTED}.union(*REASONS.values())]
    verbs = [[documents.code(Verb[name].value), text] for name, text in meanings(Verb).items()]
    constants = [
        [documents.code(value), text]
        for name, text in meanings(module).items()
        if isinstance(value := getattr(module, name), str)
    ]
    return documents.page(
        "Names",
        inspect.getdoc(module) or "",
        "## Conditions and their reasons",
        inspect.getdoc(ConditionType) or "",
        quiet,
        *(f"An event may also say {documents.code(reason.value)}: {reasons[reason.name]}" for reason in alone),
        *conditions,
        "## Requests",
        inspect.getdoc(Verb) or "",
        documents.table(["Verb", "Meaning"], verbs),
        "## Labels, annotations, aliases, tags, files",
        documents.table(["Name", "Meaning"], constants),
    )
