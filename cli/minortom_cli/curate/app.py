"""The ``minortom`` command with its subcommands; ``main.py`` adds ``quickstart``."""

import typer

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
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Curate Major TOM satellite tiles: annotate, sample, report, export.",
)


@app.callback()
def common(version: Version = False) -> None:
    """Accept the options before a subcommand."""
    del version  # handled by its callback


app.command(name="annotate")(annotate.annotate)
app.command(name="cluster")(cluster.cluster)
app.command(name="sample")(sample.sample)
app.command(name="report")(report.report)
app.command(name="export")(export.export)
app.command(name="label")(label.label)
app.command(name="verify")(verify.verify)
app.command(name="publish")(publish.publish)
app.command(name="show")(show.show)
app.command(name="fetch")(fetch.fetch)
app.command(name="cells")(cells.cells)
app.command(name="locate")(locate.locate)
app.command(name="demo")(demo.demo)
