"""A small untrained model; test files list this module in ``pytest_plugins``."""

import pytest
from model_folders import write_embedded


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """Return a folder with `model`, `shards` and the embeddings `e.parquet`."""
    folder = tmp_path_factory.mktemp("image-model")
    write_embedded(folder, train=2, val=0)
    return folder
