"""Pages about commands: what their parsers know, without a terminal's width in it."""

import argparse
import inspect
from collections.abc import Callable, Iterator
from types import ModuleType

import documents
import typer
from typer.core import TyperCommand, TyperGroup

Command = TyperCommand | TyperGroup


def typer_page(app: typer.Typer) -> str:
    """Every command of a typer application, each under its full name."""
    root = typer.main.get_group(app)
    return documents.page("Commands", *_sections(root, app.info.name or ""))


def _sections(command: Command, name: str) -> Iterator[str]:
    context = typer.Context(command, info_name=name, **command.context_settings)
    yield "\n\n".join(
        filter(
            None,
            [
                f"## {name}",
                documents.code(" ".join([name, *command.collect_usage_pieces(context)])),
                inspect.cleandoc(command.help or ""),
                _parameters(command, context),
            ],
        )
    )
    if isinstance(command, TyperGroup):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if isinstance(found, TyperCommand | TyperGroup) and not found.hidden:
                yield from _sections(found, f"{name} {child}")


def _parameters(command: Command, context: typer.Context) -> str:
    records = [parameter.get_help_record(context) for parameter in command.get_params(context) if parameter.name != "help"]
    rows = [[documents.code(head), documents.one_line(text)] for head, text in filter(None, records)]
    return documents.table(["Argument or option", "Meaning"], rows) if rows else ""


def flags_page(title: str, prog: str, add_arguments: Callable[[argparse.ArgumentParser], None], *modules: ModuleType) -> str:
    """What modules say about themselves, and the arguments that a command takes."""
    parser = argparse.ArgumentParser(prog=prog, add_help=False)
    add_arguments(parser)
    rows = []
    for action in parser._actions:  # noqa: SLF001 (argparse has no public list of what it knows)
        name = " ".join(filter(None, [*action.option_strings[:1], action.metavar]))
        rows.append([documents.code(name), documents.one_line(action.help or "")])
    table = documents.table(["Argument or option", "Meaning"], rows)
    return documents.page(title, *(inspect.getdoc(module) or "" for module in modules), f"## {prog}", table)
