"""The ``csmoe`` command with its subcommands, and ``csmoe-train``, short for ``csmoe train``."""

import typer

from minortom_cli.console import Version
from minortom_cli.model import (
    compare,
    embed,
    export,
    info,
    inspect,
    plot,
    probe,
    retrieve,
    search,
    train,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Pretrain CSMoE on shards, embed with it, evaluate it, inspect it and export it.",
)


@app.callback()
def common(version: Version = False) -> None:
    """Accept the options before a subcommand."""
    del version  # handled by its callback


app.command(name="train")(train.train)
app.command(name="info")(info.info)
app.command(name="embed")(embed.embed)
app.command(name="export")(export.export)
app.command(name="probe")(probe.probe)
app.command(name="compare")(compare.compare)
app.command(name="retrieve")(retrieve.retrieve)
app.command(name="search")(search.search)
app.command(name="inspect")(inspect.inspect)
app.add_typer(plot.plot, name="plot")

train_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
train_app.command()(train.train)
