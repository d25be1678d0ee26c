"""Shards, a model and embeddings for the tests of retrieval."""

import pytest
from model_folders import write_embedded


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    write_embedded(folder, train=20, val=4)
    return folder
