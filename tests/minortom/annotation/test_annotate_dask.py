"""One process, a pool and a cluster of separate processes write the same bytes."""

import dask_processes as processes
import numpy as np
import pytest
from map_maker import write_map
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.maps import class_counts


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a climate map, twelve tiles of land cover and a list of cells, to stand in."""
    rng = np.random.default_rng(5)
    write_map(tmp_path / "climate.tif", rng.integers(1, 31, (180, 360), np.uint8))
    (tmp_path / "tiles").mkdir()
    for lat, lon in np.ndindex(3, 4):
        classes = 10 * rng.integers(0, 9, (300, 300), np.uint8)
        name = f"cover_N{3 * lat:02d}E{3 * lon:03d}_v1.tif"
        write_map(tmp_path / "tiles" / name, classes, west=3 * lon, north=3 * lat + 3, step=0.01)
    monkeypatch.chdir(tmp_path)
    assert run(app, ["cells", "--bbox", "0.5,0.5,11.5,8.5", "--out", "cells.txt"]) == 0
    return tmp_path


def annotated(place, name, *options):
    """Annotate with relative paths, as people type them; gives the bytes."""
    maps = ("--climate", "climate.tif", "--landcover", "tiles/", "--landcover-mode", "fractions")
    more = ("--landcover-resolution", "1200", "--variable", "level=climate.tif")
    more = (*more, "--variable-mode", "mean")
    assert run(app, ["annotate", "cells.txt", *maps, *more, "--out", name, *options]) == 0
    return (place / name).read_bytes()


def test_a_pool_and_a_cluster_write_what_one_process_writes(place):
    alone = annotated(place, "one.parquet", "--workers", "1")

    with processes.scheduler() as (_, address), processes.workers(address):
        at = ("--engine", "dask", "--scheduler", address, "--workers", "2")
        assert annotated(place, "cluster.parquet", *at) == alone
    assert annotated(place, "pool.parquet", "--workers", "2") == alone


@pytest.mark.soak  # tests/minortom/engine kills a worker, too
def test_a_worker_that_is_killed_midway_changes_nothing(place, monkeypatch):
    alone = annotated(place, "one.parquet", "--workers", "1")

    with processes.scheduler() as (_, address), processes.workers(address) as (worker, _other):
        real, killed = class_counts.as_done, []

        def as_done(*args):
            """Kill one of the two workers when the first tile is done."""
            for found in real(*args):
                if not killed:
                    killed.append(worker.kill())
                yield found

        monkeypatch.setattr(class_counts, "as_done", as_done)
        at = ("--engine", "dask", "--scheduler", address, "--workers", "2")
        assert annotated(place, "cluster.parquet", *at) == alone
        assert killed and worker.poll() is not None
