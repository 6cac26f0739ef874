"""Pages about commands: what their parsers know, without a terminal's width in it."""

import argparse
import inspect
from collections.abc import Iterator

import documents
import typer
from typer.core import TyperCommand, TyperGroup

Command = TyperCommand | TyperGroup


def typer_page(app: typer.Typer) -> str:
    """Every command of a typer application, each under its full name."""
    root = typer.main.get_group(app)
    return documents.page("Commands", *_sections(root, app.info.name or ""))


def _sections(command: Command, name: str) -> Iterator[str]:
    context = typer.Context(command, info_name=name)
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
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [[documents.code(head), documents.one_line(text)] for head, text in filter(None, records)]
    return documents.table(["Argument or option", "Meaning"], rows) if rows else ""


def argparse_page(title: str, parser: argparse.ArgumentParser) -> str:
    """An argparse parser with its subcommands."""
    return documents.page(title, *_argparse_sections(parser))


def _argparse_sections(parser: argparse.ArgumentParser) -> Iterator[str]:
    children: list[argparse.ArgumentParser] = []
    rows = []
    for action in parser._actions:  # noqa: SLF001 (argparse has no public list of what it knows)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            children += dict.fromkeys(action.choices.values())
        elif action.help != argparse.SUPPRESS:
            names = ", ".join(action.option_strings) or str(action.metavar or action.dest)
            default = "" if action.default in (None, argparse.SUPPRESS, False) else f" Default: `{action.default}`."
            rows.append([documents.code(names), documents.one_line(f"{action.help or ''}") + default])
    table = documents.table(["Argument or option", "Meaning"], rows)
    yield "\n\n".join(filter(None, [f"## {parser.prog}", inspect.cleandoc(parser.description or ""), table]))
    for child in children:
        yield from _argparse_sections(child)
