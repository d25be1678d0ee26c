"""``csmoe info``: parameters and multiply-adds of recipes, or of a checkpoint."""

from typing import Annotated

import typer

from minortom_cli.console import Json, emit
from minortom_cli.model.checkpoint_argument import ANY_EXTRACTOR


def info(
    checkpoint: Annotated[
        str | None, typer.Argument(help=ANY_EXTRACTOR, show_default="none: the recipes")
    ] = None,
    *,
    recipe: Annotated[
        str | None, typer.Option(help="Name of a model, such as csmoe-b16.", show_default="all")
    ] = None,
    slots: Annotated[
        str | None,
        typer.Option(
            help="Slots to compute with: dynamic (as published) or fixed (as in the paper's text).",
            show_default="as in the recipe",
        ),
    ] = None,
    slots_per_expert: Annotated[
        int | None,
        typer.Option(min=1, help="Slots of each expert, with --slots fixed.", show_default="1"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print parameters, multiply-adds of one image and their ratio C2C, of the Sentinel-2 path.

    For a checkpoint or another feature extractor: of each sensor and of both.
    """
    # Imported here, as in every command, so that `csmoe --help` stays fast.
    from csmoe_model.extractors.info import info as compute

    result = compute(checkpoint, recipe=recipe, slots=slots, slots_per_expert=slots_per_expert)
    emit(result, as_json=as_json)
