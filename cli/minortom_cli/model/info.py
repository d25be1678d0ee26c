"""``csmoe info``: parameters and multiply-adds of the models."""

from typing import Annotated

import typer

from minortom_cli.console import Json, emit


def info(
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
    """Print parameters, multiply-adds of one image and their ratio C2C, of the Sentinel-2 path."""
    # Imported here, as in every command, so that `csmoe --help` stays fast.
    from csmoe_model.nn.cost_table import info as compute

    result = compute(recipe=recipe, slots=slots, slots_per_expert=slots_per_expert)
    emit(result, as_json=as_json)
