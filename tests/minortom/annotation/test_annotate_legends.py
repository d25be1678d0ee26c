"""Additional descriptors, and legends by name and of one's own."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from annotating import MANIFEST, annotated
from error_lines import json_error
from map_maker import write_map
from minortom_cli.console import run
from minortom_cli.curate.app import app

pytest_plugins = ("annotate_fixtures",)


def test_another_legend_of_the_same_map_is_another_result(arguments, tmp_path, capsys):
    words = [*arguments, "--descriptor", f"ecoregion={tmp_path / 'landcover.tif'}",
             "--manifest", str(tmp_path / "my.yaml")]  # fmt: skip
    legend = MANIFEST.replace("{1: taiga, 2: mangrove}", "{10: taiga, 40: mangrove, 80: sea}")
    (tmp_path / "my.yaml").write_text(legend)
    assert run(app, words) == 0
    (tmp_path / "my.yaml").write_text(legend.replace("taiga", "tundra"))
    assert run(app, words) == 1
    assert "made with other inputs or options" in capsys.readouterr().err


def test_a_further_descriptor_needs_a_manifest_and_no_code(arguments, tmp_path, capsys):
    (tmp_path / "my.yaml").write_text(MANIFEST)
    half = np.uint8([[1] * 100 + [0] * 100] * 200)
    write_map(tmp_path / "my.tif", half, west=0, north=2, step=0.01)
    more = ["--descriptor", f"ecoregion={tmp_path / 'my.tif'}",
            "--manifest", str(tmp_path / "my.yaml")]  # fmt: skip
    (tmp_path / "cells.txt").write_text("0U_0R\n0U_1R\n1U_0R\n0U_14R\n")
    summary, table = annotated(arguments, capsys, *more)
    rows = {row["grid_cell"]: row for row in table.to_pylist()}
    assert rows["0U_0R"]["ecoregion"] == "taiga"
    assert rows["0U_0R"]["ecoregion_code"] == 1
    assert (rows["0U_14R"]["ecoregion"], rows["0U_14R"]["ecoregion_code"]) == ("unmapped", 255)
    assert summary["unmapped"] == {"ecoregion": 1}
    assert summary["tiles"] == 4
    record = json.loads(table.schema.metadata[b"minortom"])
    assert "Ecoregions (CC-BY-4.0): Made up, CC BY 4.0" in record["licences"]
    assert record["options"]["ecoregion_legend"] == "ecoregion"
    assert "Nobody (2017)" in summary["citations"]

    out = tmp_path / "s.parquet"
    words = ["sample", summary["out"], "--stratify-by", "climate,ecoregion", "--out", str(out)]
    assert run(app, [*words, "--workers", "1"]) == 0
    strata = set(pq.read_table(out)["stratum"].to_pylist())
    assert strata == {"Af/taiga", "Af/unmapped"}


OWN = """
name: my-cover
nodata: [0]
classes: {10: forest, 40: field, 80: lake}
colours: {10: "#006400", 80: "#0064c8"}
"""


def test_a_legend_of_ones_own_is_a_file_with_its_classes(arguments, tmp_path, capsys):
    (tmp_path / "own.yaml").write_text(OWN)
    more = ["--landcover-legend", str(tmp_path / "own.yaml"), "--landcover-mode", "fractions"]
    summary, table = annotated(arguments, capsys, *more)
    _, usual = annotated(arguments, capsys, "--landcover-mode", "fractions")
    for ours, theirs in (("forest", "tree_cover"), ("lake", "permanent_water")):
        assert table[f"fraction_{ours}"].equals(usual[f"fraction_{theirs}"])
    assert table["landcover_code"].equals(usual["landcover_code"])
    assert set(table["stratum"].to_pylist()) == {"Af/forest"}

    record = json.loads(table.schema.metadata[b"minortom"])
    assert record["options"]["landcover_legend"] == "my-cover"
    assert record["licences"][-1].startswith("my-cover: a map with a legend of the user's own")
    assert "landcover legend" in record["inputs"]
    assert len(summary["citations"]) == 1  # that of the climate
    colours = json.loads(table.schema.metadata[b"minortom_colours"])
    assert colours == {"landcover": {"forest": "#006400", "lake": "#0064c8"}}
    assert b"minortom_colours" not in usual.schema.metadata


def test_a_changed_legend_of_ones_own_is_another_input(arguments, tmp_path, capsys):
    (tmp_path / "own.yaml").write_text(OWN)
    words = [*arguments, "--landcover-legend", str(tmp_path / "own.yaml")]
    assert run(app, words) == 0
    (tmp_path / "own.yaml").write_text(OWN.replace("forest", "wood"))
    assert run(app, words) == 1
    assert "made with other inputs or options" in capsys.readouterr().err


def test_the_output_cannot_replace_the_legend(arguments, tmp_path, capsys):
    legend = tmp_path / "own.parquet"
    legend.write_text(OWN)
    arguments[arguments.index("--out") + 1] = str(legend)
    words = [*arguments, "--landcover-legend", str(legend), "--overwrite"]
    assert run(app, words) == 1
    assert "is the input" in json_error(capsys.readouterr().err)
    assert legend.read_text() == OWN


def test_a_legend_by_name_gives_its_classes(arguments, tmp_path, capsys):
    values = np.full((200, 200), 23, np.uint8)
    write_map(tmp_path / "landcover.tif", values, west=0, north=2, step=0.01)
    _, table = annotated(arguments, capsys, "--landcover-legend", "corine")
    assert set(table["landcover"].to_pylist()) == {"broad_leaved_forest"}
    colours = json.loads(table.schema.metadata[b"minortom_colours"])["landcover"]
    assert colours["broad_leaved_forest"] == "#80ff00"
    assert len(colours) == 44


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--landcover-legend", "corin"], "cci-lc, corine, dynamic-world, esri-lulc, igbp, ko"),
        (["--climate-legend", "./no.yaml"], "cannot read the legend no.yaml: "),
        (["--landcover-legend", "cells.txt"], "expected a legend with the keys name, nodata and"),
        (["--descriptor", "ecoregion"], "expected --descriptor NAME=MAP"),
        (["--descriptor", "lat=landcover.tif"], "found 'lat'; give another name"),
        (["--descriptor", "fraction_crops=landcover.tif"], "found 'fraction_crops'"),
        (
            ["--descriptor", "bbox=landcover.tif"],
            "not the name of another column, found 'bbox'; give",
        ),
        (["--descriptor", "soil=landcover.tif"], "found 'soil'"),
        (["--manifest", "my.yaml"], "found 1 for 0"),
        (
            ["--landcover-mode", "majority", "--landcover-resolution", "0"],
            "resolution above 0 metres, found 0.0",
        ),
        (["--descriptor-mode", "soil=majority"], "(none is given), found 'soil=majority'"),
        (["--descriptor-mode", "majority"], "found 'majority'"),
        (
            ["--climate-mode", "majority"],
            "expected at least 16 pixels in a cell of 10 km to count classes",
        ),
    ],
)
def test_a_mistake_about_maps_is_one_line(arguments, tmp_path, monkeypatch, capsys, more, message):
    monkeypatch.chdir(tmp_path)
    assert run(app, [*arguments, *more]) == 1
    assert message in json_error(capsys.readouterr().err)
