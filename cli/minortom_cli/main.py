"""The entry points: ``minortom``, ``csmoe``, and ``csmoe-train``, its subcommand by another name.

The quickstart joins ``minortom`` here, above both programs: it types their commands.
"""

import sys

from minortom_cli.console import run
from minortom_cli.curate import app as curate
from minortom_cli.quickstart import quickstart

app = curate.app
"""All of ``minortom``, the quickstart too."""

app.command(name="quickstart")(quickstart)


def main() -> None:
    """Run ``minortom`` and end with its exit code."""
    sys.exit(run(app))


def main_csmoe() -> None:
    """Run ``csmoe`` and end with its exit code."""
    from minortom_cli.model import app as model

    sys.exit(run(model.app))


def main_train() -> None:
    """Run ``csmoe-train`` and end with its exit code."""
    from minortom_cli.model import app as model

    sys.exit(run(model.train_app))
