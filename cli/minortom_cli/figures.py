"""``csmoe plot``: the paper's pictures, with our points in them."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, emit

plot = typer.Typer(no_args_is_help=True, help="Draw the paper's pictures from results of probes.")

Out = Annotated[Path, typer.Option(help="PNG to write; its numbers go beside it as .json.")]


@plot.command(name="quality-cost")
def quality_cost(
    out: Out,
    results: Annotated[
        list[Path] | None, typer.Argument(help="Folders of probes; none for the paper's alone.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw scores against multiply-adds: Figs. 6 and 7 of the paper."""
    # Imported here so that `csmoe --help` does not load matplotlib.
    from csmoe_model.figures import draw_quality_cost

    emit(draw_quality_cost(results or [], out, overwrite=overwrite), as_json=as_json)


@plot.command(name="tokens")
def tokens(
    out: Out,
    results: Annotated[
        list[Path] | None, typer.Argument(help="Folders of probes; none for the paper's alone.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw what [CLS], the mean of the tokens, and both are worth: Table V of the paper."""
    from csmoe_model.figures import draw_tokens

    emit(draw_tokens(results or [], out, overwrite=overwrite), as_json=as_json)
