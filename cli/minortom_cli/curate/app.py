"""The ``minortom`` command with its subcommands; ``main.py`` adds ``quickstart``."""

import typer

from minortom_cli.command import HELP_NAMES, Command, Group
from minortom_cli.console import Version
from minortom_cli.curate import (
    annotate,
    cells,
    cluster,
    demo,
    export,
    fetch,
    label,
    locate,
    publish,
    report,
    sample,
    show,
    verify,
)

app = typer.Typer(
    name="minortom",
    cls=Group,
    no_args_is_help=True,
    context_settings=HELP_NAMES,
    pretty_exceptions_enable=False,
    help="Curate Major TOM satellite tiles: annotate, sample, report, export.",
)


@app.callback()
def common(version: Version = False) -> None:
    """Accept the options before a subcommand."""
    del version  # handled by its callback


app.command(name="annotate", cls=Command)(annotate.annotate)
app.command(name="cluster", cls=Command)(cluster.cluster)
app.command(name="sample", cls=Command)(sample.sample)
app.command(name="report", cls=Command)(report.report)
app.command(name="export", cls=Command)(export.export)
app.command(name="label", cls=Command)(label.label)
app.command(name="verify", cls=Command)(verify.verify)
app.command(name="publish", cls=Command)(publish.publish)
app.command(name="show", cls=Command)(show.show)
app.command(name="fetch", cls=Command)(fetch.fetch)
app.command(name="cells", cls=Command)(cells.cells)
app.command(name="locate", cls=Command)(locate.locate)
app.command(name="demo", cls=Command)(demo.demo)
