"""The planet with smooth fields: their correlation over distance, and the properties they set."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from error_lines import one_line
from minortom_cli.console import run
from minortom_cli.curate.app import app

import minortom
from minortom.errors import InputError
from minortom.grid.cells import cells_from_names
from minortom.grid.sphere import EARTH_RADIUS_KM
from minortom.synthetic.noise import Window
from minortom.synthetic.planet import FIELD_TABLE, scenes
from minortom.synthetic.scene import Scene, render
from minortom.synthetic.smooth_field import (
    FIELD_SHARE,
    PROPERTIES,
    FieldValues,
    SmoothField,
    field_values,
)

SCENE = Scene(seed=0, cell="487U_300R", climate_code=15, landcover_code=30)
LEVEL = FieldValues(greenness=0.0, moisture=0.0, texture_scale=0.0, radar_level=0.0)


def pairs_apart(distance_km, count, rng):
    """Return places all over the sphere and as many at a straight distance from them, degrees."""
    one, other = rng.standard_normal((2, count, 3))
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    other -= (other * one).sum(axis=1, keepdims=True) * one
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    angle = 2 * np.arcsin(distance_km / 2 / EARTH_RADIUS_KM)
    other = np.cos(angle) * one + np.sin(angle) * other
    return [
        (np.degrees(np.arctan2(p[:, 1], p[:, 0])), np.degrees(np.arcsin(p[:, 2])))
        for p in (one, other)
    ]


@pytest.mark.parametrize("range_km", [300.0, 800.0])
@pytest.mark.parametrize("ranges", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_the_correlation_falls_with_distance_as_documented(range_km, ranges):
    rng = np.random.default_rng(1)
    products, squares = [], []
    for seed in range(16):
        field = SmoothField(seed=seed, range_km=range_km)
        one, other = (field.at(*p) for p in pairs_apart(ranges * range_km, 800, rng))
        products.append((one * other).mean())
        squares.append((one**2 + other**2).mean() / 2)
    assert np.mean(squares) == pytest.approx(1, abs=0.05)
    assert np.mean(products) / np.mean(squares) == pytest.approx(np.exp(-(ranges**2)), abs=0.04)


def test_the_fields_of_the_properties_and_of_two_seeds_are_unrelated():
    rng = np.random.default_rng(2)
    (place, _) = pairs_apart(1000, 3000, rng)
    values = np.concatenate([SmoothField(seed=s, range_km=400).at(*place) for s in (0, 1)], axis=1)
    apart = np.corrcoef(values, rowvar=False) - np.eye(2 * len(PROPERTIES))
    assert np.abs(apart).max() < 0.12
    assert np.abs(values.mean(axis=0)).max() < 0.12


def test_a_property_keeps_its_spread_and_follows_the_field_within_a_stratum():
    rng = np.random.default_rng(3)
    fields = rng.standard_normal((3000, len(PROPERTIES)))
    made = [
        replace(SCENE, cell=f"{n}U_{n % 90}R", field=field_values(row)).traits()
        for n, row in enumerate(fields)
    ]
    scale = np.log([traits.scale for traits in made])  # of a deviation of 0.2, about 0
    assert scale.std() == pytest.approx(0.2, rel=0.05)
    expected = FIELD_SHARE**0.5
    column = PROPERTIES.index("texture_scale")
    assert np.corrcoef(scale, fields[:, column])[0, 1] == pytest.approx(expected, abs=0.02)
    without = [replace(SCENE, cell=f"{n}U_{n % 90}R").traits().scale for n in range(3000)]
    assert abs(np.corrcoef(np.log(without), fields[:, column])[0, 1]) < 0.08


def test_the_level_of_sentinel_1_shifts_its_decibels_alone():
    window = Window(row=0, col=0, height=60, width=60)
    low, high = (
        render(replace(SCENE, field=replace(LEVEL, radar_level=level)), window)
        for level in (0.0, 1.0)
    )
    for name, power in high.backscatter.items():
        shift_db = 10 * np.log10(power / low.backscatter[name])
        np.testing.assert_allclose(shift_db, 2.0 * FIELD_SHARE**0.5, atol=1e-4)
    np.testing.assert_array_equal(low.reflectance["B08"], high.reflectance["B08"])


@pytest.mark.parametrize("name", ["greenness", "moisture", "texture_scale"])
def test_each_property_changes_the_pixels_of_its_sensor(name):
    window = Window(row=0, col=0, height=60, width=60)
    low, high = (
        render(replace(SCENE, field=replace(LEVEL, **{name: value})), window)
        for value in (-1.0, 1.0)
    )
    assert not np.array_equal(low.backscatter["vv"], high.backscatter["vv"])
    same = np.array_equal(low.reflectance["B04"], high.reflectance["B04"])
    assert same == (name == "moisture")


def test_the_command_writes_the_fields_of_its_cells(tmp_path, capsys):
    out = tmp_path / "planet"
    words = ["demo", str(out), "--tiles", "1", "--seed", "5", "--field-km", "800", "--json"]
    assert run(app, words) == 0
    assert json.loads(capsys.readouterr().out)["field_km"] == 800.0
    record = json.loads((out / "planet.json").read_text(encoding="utf-8"))["minortom"]
    assert record["options"] == {"tiles": 1, "field_km": 800.0}
    cells = (out / "cells.txt").read_text(encoding="utf-8").split()
    rows = list(csv.DictReader((out / FIELD_TABLE).read_text(encoding="utf-8").splitlines()))
    assert [row["grid_cell"] for row in rows] == cells
    stored = np.array([[float(row[name]) for name in PROPERTIES] for row in rows[::97]])
    field = SmoothField(seed=5, range_km=800)
    places = cells_from_names(cells[::97]).centres()
    np.testing.assert_allclose(stored, field.at(*places), atol=5.1e-5)
    annotated = minortom.annotate(
        out / "cells.txt", climate=out / "climate.tif", landcover=out / "landcover.tif",
        table=[str(out / FIELD_TABLE)], workers=1,
    ).table  # fmt: skip
    assert set(PROPERTIES) <= set(annotated.column_names)
    # Without the field the same command makes another planet, which is refused.
    assert run(app, words[:-3]) == 1
    assert "was made with other inputs or options" in one_line(capsys.readouterr().err)


def test_scenes_have_the_field_of_their_cell_or_none(planet_of_two_cells):
    planet, names = planet_of_two_cells
    field = SmoothField(seed=1, range_km=800)
    for scene in scenes(planet, names, 2, field=field):
        (expected,) = field.at(*cells_from_names([scene.cell]).centres())
        assert scene.field == field_values(expected)
    assert [scene.field for scene in scenes(planet, names, 2)] == [None, None]


@pytest.fixture
def planet_of_two_cells():
    from minortom.synthetic.maps import Planet

    codes = np.full((18, 36), 15, np.uint8), np.full((18, 36), 40, np.uint8)
    planet = Planet(seed=0, climate=codes[0], landcover=codes[1])
    return planet, np.array(["100U_100R", "300U_20L"])


@pytest.mark.parametrize("field_km", [0, -800.0, float("nan"), float("inf"), "far"])
def test_a_range_of_0_or_less_is_refused_before_anything_is_written(tmp_path, field_km):
    with pytest.raises(InputError, match=r"field.km (above 0|must be a number), found"):
        minortom.demo(tmp_path / "planet", field_km=field_km)
    assert not (tmp_path / "planet").exists()
