"""Embeddings and text models; test files list this module in ``pytest_plugins``."""

import pytest
import torch
from model_folders import write_embedded
from text_maker import SHORT, write_patches

from csmoe_model.text import train


@pytest.fixture(scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Return a folder with telling embeddings `e.parquet`, and the result of a training on them."""
    folder = tmp_path_factory.mktemp("told")
    write_patches(folder / "e.parquet")
    return folder, train(folder / "e.parquet", out=folder / "text", **SHORT)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Return a folder with shards, their embeddings `e.parquet`, and a text model on them."""
    folder = tmp_path_factory.mktemp("seen")
    write_embedded(folder, train=32, val=8)
    train(folder / "e.parquet", out=folder / "text", shards=folder / "shards", **SHORT)
    return folder
