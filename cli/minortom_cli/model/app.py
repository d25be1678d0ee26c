"""The ``csmoe`` command with its subcommands, and ``csmoe-train``, short for ``csmoe train``."""

import typer

from minortom_cli.command import HELP_NAMES, Command, Group
from minortom_cli.console import Version
from minortom_cli.model import (
    compare,
    embed,
    ensemble,
    export,
    finetune,
    info,
    inspect,
    plot,
    predict,
    probe,
    prune,
    retrieve,
    search,
    specialist,
    text,
    train,
)
from minortom_cli.model.needs_torch import NeedsTorch

app = typer.Typer(
    name="csmoe",
    cls=Group,
    no_args_is_help=True,
    context_settings=HELP_NAMES,
    pretty_exceptions_enable=False,
    help="Pretrain CSMoE on shards, embed with it, evaluate, inspect, prune and export it.",
)


@app.callback()
def common(version: Version = False) -> None:
    """Accept the options before a subcommand."""
    del version  # handled by its callback


app.command(name="train", cls=NeedsTorch)(train.train)
app.command(name="info", cls=Command)(info.info)
app.command(name="embed", cls=NeedsTorch)(embed.embed)
app.command(name="export", cls=NeedsTorch)(export.export)
app.command(name="probe", cls=NeedsTorch)(probe.probe)
app.command(name="finetune", cls=NeedsTorch)(finetune.finetune)
app.command(name="predict", cls=NeedsTorch)(predict.predict)
app.command(name="compare", cls=NeedsTorch)(compare.compare)
app.command(name="retrieve", cls=NeedsTorch)(retrieve.retrieve)
app.command(name="search", cls=NeedsTorch)(search.search)
app.command(name="prune", cls=NeedsTorch)(prune.prune)
app.command(name="inspect", cls=NeedsTorch)(inspect.inspect)
app.add_typer(plot.plot, name="plot")
app.add_typer(specialist.specialist, name="specialist")
app.add_typer(ensemble.ensemble, name="ensemble")
app.add_typer(text.text, name="text")

train_app = typer.Typer(pretty_exceptions_enable=False)
train_app.command(name="csmoe-train", cls=NeedsTorch, context_settings=HELP_NAMES)(train.train)
