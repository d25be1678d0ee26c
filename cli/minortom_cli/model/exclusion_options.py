"""Options for the patches that a search by a patch leaves out."""

from typing import Annotated

import typer

ExcludeKm = Annotated[
    float | None,
    typer.Option(
        help="Leave out all patches within this distance of the query too, in km.",
        show_default="its own cell only",
    ),
]
IncludeOwnCell = Annotated[
    bool,
    typer.Option("--include-own-cell", help="Keep the other patches of the query's own cell."),
]
