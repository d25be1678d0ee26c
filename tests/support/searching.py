"""Calls of `csmoe search`, and the hits by hand."""

import json
import math

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


def haversine_km(lat, lon, other_lat, other_lon):
    lat, lon, other_lat, other_lon = map(math.radians, (lat, lon, other_lat, other_lon))
    half = math.sin((lat - other_lat) / 2) ** 2
    half += math.cos(lat) * math.cos(other_lat) * math.sin((lon - other_lon) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(half))


def stay_by_hand(shards, query, *, exclude_km=None, include_own_cell=False):
    """Return the numbers of the patches that may be hits, one by one."""
    rows = ShardSet.open(shards).metadata(["grid_cell", "lat", "lon"]).to_pylist()
    own, found = rows[query], []
    for number, row in enumerate(rows):
        far_km = haversine_km(own["lat"], own["lon"], row["lat"], row["lon"])
        is_near = exclude_km is not None and far_km <= exclude_km
        is_own = row["grid_cell"] == own["grid_cell"]
        if number != query and (include_own_cell or not (is_own or is_near)):
            found.append(number)
    return found


def one_line(capsys):
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line
