"""Calls of `csmoe search`, and the hits by hand."""

import json

import numpy as np
from minortom_cli.console import run
from minortom_cli.model.app import app
from stored_vectors import stored_vectors

from minortom.shards.shard_set import ShardSet


def search(folder, out, *more):
    words = ["search", folder / "e.parquet", "--shards", folder / "shards", "--html", out, *more]
    return run(app, [str(word) for word in words])


def printed(capsys):
    return json.loads(capsys.readouterr().out)


def place(hit):
    return hit["grid_cell"], hit["patch_row"], hit["patch_col"]


def patch_name(folder, number):
    row = ShardSet.open(folder / "shards").metadata(["grid_cell", "patch_row", "patch_col"])
    return "{grid_cell}:{patch_row}:{patch_col}".format(**row.slice(number, 1).to_pylist()[0])


def nearest_by_hand(path, query, sensor, against):
    one, other = (stored_vectors(path, name) for name in (sensor, against))
    one, other = one - one.mean(0), other - other.mean(0)
    cosine = other @ one[query] / np.linalg.norm(other, axis=1) / np.linalg.norm(one[query])
    return [n for n in np.argsort(-cosine) if n != query]


def one_line(capsys):
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line
