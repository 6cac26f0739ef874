"""The command line as a tree of nouns. Called by `__main__`; each command's work is in `commands/`."""

from importlib.metadata import version
from typing import Annotated

import typer

from kanarya_cli.commands import (
    audit,
    contract,
    demo,
    doctor,
    infer,
    local,
    register,
    replay,
    rollout,
    simulate,
    train,
)

app = typer.Typer(
    name="kanarya",
    help="The model behind your endpoint changes only when the evidence says so.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def kanarya(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and end.", is_eager=True)] = False,
) -> None:
    """The model behind your endpoint changes only when the evidence says so."""
    if show_version:
        typer.echo(version("kanarya-cli"))
        raise typer.Exit


app.command("train")(train.train)
app.command("contract")(contract.contract)
app.command("register")(register.register)
app.command("infer")(infer.infer)
app.add_typer(rollout.app, name="rollout")
app.command("audit")(audit.audit)
app.command("replay")(replay.replay)
app.command("simulate")(simulate.simulate)
app.add_typer(local.app, name="local")
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
