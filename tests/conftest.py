import os
from pathlib import Path

import minortom_cli.console  # noqa: F401  # sets how OpenMP waits, before any test loads torch
import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real files that MINORTOM_DATA names."""
    folder = os.environ.get("MINORTOM_DATA")
    if not folder:
        pytest.skip("MINORTOM_DATA is not set: no real files to test with")
    return Path(folder).resolve()
