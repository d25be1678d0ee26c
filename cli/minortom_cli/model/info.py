"""`csmoe info`: what the models weigh and cost."""

from typing import Annotated

import typer

from minortom_cli.console import Json, emit


def info(
    recipe: Annotated[
        str | None, typer.Option(help="Model to price, as `csmoe-b16`; all of them by default.")
    ] = None,
    slots: Annotated[
        str | None,
        typer.Option(help="Price with `dynamic` (published) or `fixed` (the paper's text) slots."),
    ] = None,
    slots_per_expert: Annotated[
        int | None, typer.Option(min=1, help="Slots of each expert, with --slots fixed; 1.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print parameters, multiply-adds of one image and C2C of the Sentinel-2 path."""
    from csmoe_model.config import RECIPES, recipe_with
    from csmoe_model.nn.cost import price, price_list

    changes = {"slots": slots, "slots_per_expert": slots_per_expert}
    given = {key: value for key, value in changes.items() if value is not None}
    models = {name: recipe_with(name, given) for name in ([recipe] if recipe else RECIPES)}
    rows = [price(name, config) for name, config in models.items()]
    emit(rows if as_json else price_list(models), as_json=as_json)
