"""Options of a command in groups, each under its own heading of ``--help``."""

from collections.abc import Callable
from typing import Any

import typer


def panel(heading: str) -> Callable[..., Any]:
    """Return a function that makes options under a heading."""

    def option(
        text: str,
        default: str | bool = True,
        *,
        names: tuple[str, ...] = (),
        metavar: str | None = None,
        minimum: float | None = None,
    ) -> Any:  # noqa: ANN401  (what typer.Option returns has no public type)
        """Return an option.

        Args:
            text: Help.
            default: Description of a default that is None in Python; whether to show others.
            names: Names, for a flag without an opposite.
            metavar: Form of the value.
            minimum: Minimum of a number.
        """
        return typer.Option(
            *names, help=text, show_default=default, metavar=metavar, min=minimum,
            rich_help_panel=heading,
        )  # fmt: skip

    return option
