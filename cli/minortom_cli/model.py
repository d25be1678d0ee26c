"""The ``csmoe`` command, and ``csmoe-train``, its subcommand by another name."""

import sys
from typing import Annotated

import typer

from minortom_cli import embed, info, train
from minortom_cli.console import run, show_version

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="CSMoE: pretrain it on shards, price it, embed with it.",
)


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options that stand before a subcommand."""
    show_version("csmoe", version)


app.command(name="train")(train.train)
app.command(name="info")(info.info)
app.command(name="embed")(embed.embed)

train_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
train_app.command()(train.train)


def main() -> None:
    """Run ``csmoe`` and end with its exit code."""
    sys.exit(run(app))


def main_train() -> None:
    """Run ``csmoe-train`` and end with its exit code."""
    sys.exit(run(train_app))
