"""Entry points of ``minortom``, ``csmoe`` and ``csmoe-train``.

``minortom quickstart`` is added here, since it runs commands of both programs.
"""

import sys

from minortom_cli.command import Command
from minortom_cli.console import run
from minortom_cli.curate import app as curate
from minortom_cli.quickstart import quickstart

app = curate.app
"""All commands of ``minortom``, ``quickstart`` included."""

app.command(name="quickstart", cls=Command)(quickstart)


def main() -> None:
    """Run ``minortom`` and exit with its code."""
    sys.exit(run(app))


def main_csmoe() -> None:
    """Run ``csmoe`` and exit with its code."""
    # Imported here since it loads numpy, which `minortom --help` does not need.
    from minortom_cli.model import app as model

    sys.exit(run(model.app))


def main_train() -> None:
    """Run ``csmoe-train`` and exit with its code."""
    from minortom_cli.model import app as model

    sys.exit(run(model.train_app))
