"""Commands that need torch: without it, an error of one line before any work."""

from typing import Any

from csmoe_model.optional_packages import require_packages
from minortom_cli.command import Command


def require_torch() -> None:
    """Check that the packages of the extra `train` are installed, without importing them.

    Raises:
        InputError: If one is missing.
    """
    require_packages("torch", "lightning", "safetensors", extra="train")


class NeedsTorch(Command):
    """Command that checks its packages before it begins; `--help` needs none."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # the Click inside Typer or beside it
        """Run the command."""
        require_torch()
        return super().invoke(ctx)
