"""The synthetic planet on disk: maps, layout of the archive, repeatability, difficulty."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from file_hashes import hashes

import minortom
from minortom.dataset.publish import write_preview
from minortom.grid.cells import cells_from_names
from minortom.synthetic.archive import FAULTS
from minortom.synthetic.maps import LANDCOVER_CODES, landcover_weights, make_planet, write_map
from minortom.synthetic.planet import demo, land_cells, scenes


@pytest.fixture(scope="module")
def planet():
    return make_planet(seed=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "planet"
    demo(out, seed=3, tiles=2)
    return out


# Maps


def test_maps_hold_known_codes_and_the_same_sea(planet):
    assert set(np.unique(planet.climate)) <= set(range(31))
    assert set(np.unique(planet.landcover)) <= {0, *LANDCOVER_CODES}
    twice = planet.climate.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(twice == 0, planet.landcover == 0)


@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=pytest.mark.soak), pytest.param(2, marks=pytest.mark.soak)]
)
def test_a_third_of_the_planet_is_land_with_most_zones_and_all_classes(seed):
    planet = make_planet(seed=seed)
    rows = np.arange(len(planet.climate)) + 0.5
    area = np.sin(np.pi * rows / len(rows))[:, None] * np.ones(planet.climate.shape)

    assert area[planet.climate > 0].sum() / area.sum() == pytest.approx(0.34, abs=0.01)
    assert len(np.unique(planet.climate)) >= 20
    assert set(np.unique(planet.landcover)) == {0, *LANDCOVER_CODES}


def test_zones_are_contiguous(planet):
    land = (planet.climate[:, 1:] > 0) & (planet.climate[:, :-1] > 0)
    same = planet.climate[:, 1:] == planet.climate[:, :-1]

    assert same[land].mean() > 0.9


def test_land_cover_follows_climate(planet):
    twice = planet.climate.repeat(2, axis=0).repeat(2, axis=1)

    assert np.mean(planet.landcover[twice == 4] == 60) > 0.5  # desert is bare
    assert np.mean(planet.landcover[twice == 1] == 10) > 0.4  # rain forest is forest
    assert not np.isin(planet.landcover[twice == 30], (10, 40, 50, 95)).any()  # none on ice


def test_every_climate_has_a_row_of_weights_for_all_land_covers():
    for code in range(1, 31):
        assert landcover_weights(code).shape == (11,)


def test_codes_are_looked_up_as_rasterio_samples_the_written_map(planet, tmp_path):
    write_map(planet.landcover, tmp_path / "map.tif")
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 300), rng.uniform(-90, 90, 300)

    with rasterio.open(tmp_path / "map.tif") as file:
        expected = [value[0] for value in file.sample(zip(lon, lat, strict=True))]
        assert file.crs.to_epsg() == 4326
        assert file.nodata == 0
    np.testing.assert_array_equal(planet.codes_at(lon, lat)[1], expected)


# The folder


def test_tiles_have_the_hub_s_columns_and_types(folder, real_data):
    for repository in ("Core-S2L2A", "Core-S1RTC"):
        ours, real = folder / repository, real_data / "majortom-sample" / repository
        for name in ("metadata.parquet", "images/part_00001.parquet"):
            assert (
                pq.read_schema(ours / name).remove_metadata()
                == pq.read_schema(real / name).remove_metadata()
            )


def test_each_row_is_a_row_group_at_the_place_in_the_metadata(folder):
    for repository in ("Core-S2L2A", "Core-S1RTC"):
        rows = pq.read_table(folder / repository / "metadata.parquet").to_pylist()
        assert len(rows) == 2
        for row in rows:
            part = pq.ParquetFile(folder / repository / "images" / Path(row["parquet_url"]).name)
            found = part.read_row_group(row["parquet_row"]).to_pylist()
            assert [(r["grid_cell"], r["product_id"]) for r in found] == [
                (row["grid_cell"], row["product_id"])
            ]


def test_tiles_cycle_through_the_land_covers_and_lie_among_the_cells(planet):
    names = land_cells(planet)
    drawn = scenes(planet, names, 14)
    climate, landcover = planet.codes_at(*cells_from_names([s.cell for s in drawn]).centres())

    assert [s.landcover_code for s in drawn] == [*LANDCOVER_CODES, *LANDCOVER_CODES[:3]]
    assert landcover.tolist() == [s.landcover_code for s in drawn]
    assert climate.tolist() == [s.climate_code for s in drawn]
    assert {s.cell for s in drawn} <= set(names)
    assert len({s.cell for s in drawn}) == 14
    assert max(FAULTS) < 14  # the default planet has them all


def test_all_cells_have_a_class_in_both_maps(folder):
    names = (folder / "cells.txt").read_text(encoding="utf-8").split()
    lon, lat = cells_from_names(names).centres()

    assert len(set(names)) == len(names) == 60_000
    for name in ("climate.tif", "landcover.tif"):
        with rasterio.open(folder / name) as file:
            codes = np.array([v[0] for v in file.sample(zip(lon[:500], lat[:500], strict=True))])
        assert (codes > 0).all()


@pytest.mark.soak  # test_demo_frozen compares the bytes of a planet with stored hashes
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(folder, tmp_path):
    demo(tmp_path / "same", seed=3, tiles=2)
    demo(tmp_path / "other", seed=4, tiles=2)

    assert hashes(tmp_path / "same") == hashes(folder)
    assert not set(hashes(tmp_path / "other").values()) & set(hashes(folder).values())


def test_an_interrupted_demo_leaves_nothing(tmp_path):
    def stop(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo(tmp_path / "planet", tiles=1, on_progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_the_record_has_the_provenance(folder):
    record = json.loads((folder / "planet.json").read_text(encoding="utf-8"))["minortom"]

    assert (record["command"], record["seed"], record["options"]) == ("demo", 3, {"tiles": 2})
    assert folder.with_name("planet.run.json").is_file()


def test_shards_of_the_planet_cite_no_other_data_set(folder, tmp_path):
    annotated, selection = tmp_path / "annotated.parquet", tmp_path / "selection.parquet"
    shards, card = tmp_path / "shards", tmp_path / "card"
    archives = {"s2": folder / "Core-S2L2A", "s1": folder / "Core-S1RTC"}
    minortom.annotate(
        **archives, climate=folder / "climate.tif", landcover=folder / "landcover.tif",
        out=annotated,
    )  # fmt: skip
    minortom.sample(annotated, out=selection)
    minortom.export(selection, **archives, out=shards)
    write_preview(shards, "someone/planet", card)

    inside = [
        (pq.read_schema(file).metadata or {})[key].decode()
        for file, key in (
            (annotated, b"minortom"), (selection, b"minortom"),
            (shards / "shard-00000-of-00001.parquet", b"minortom.shards"),
        )
    ]  # fmt: skip
    texts = [
        file.read_text(encoding="utf-8")
        for file in (
            shards / "README.md", shards / "dataset.json", card / "README.md",
            card / "croissant.json",
        )
    ]  # fmt: skip
    for text in (*inside, *texts):
        assert "made up by minortom demo" in text
        assert not re.search("copernicus|tom core|francis|by-sa", text, re.IGNORECASE)


@pytest.mark.soak
def test_band_statistics_separate_land_covers_moderately(monkeypatch, repository):
    monkeypatch.syspath_prepend(repository / "benchmarks")
    from demo_difficulty import balanced_accuracy

    scores = balanced_accuracy(cells_per_class=60, patches=4)

    assert 0.40 < scores["s1"] < scores["s2"] < scores["both"] < 0.75
