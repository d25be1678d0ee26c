"""`export --columns`: numbers and classes of the tiles become metadata columns of the shards."""

import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archive_maker import CELLS, write_selection
from export_maker import files_of, record_of
from minortom_cli.console import run
from minortom_cli.curate.app import app

import minortom
import minortom.shards
from minortom.dataset.card import data_card
from minortom.dataset.croissant import croissant_record
from minortom.io.column_metadata import number_field
from minortom.shards.layout import METADATA_SCHEMA

pytest_plugins = ("export_fixtures",)

ELEVATION = [12.5, None, float("nan"), -3.0, 0.0, 8848.0, 1.0]
BIOME = ["taiga", "unmapped", "Ocean/Sea", "taiga", "taiga", "é|`*", "steppe"]
VALUES = {
    "elevation": ELEVATION, "biome": BIOME, "depth": [1, None, 3, 4, 5, 6, 7],
    "cluster": np.arange(7, dtype=np.int16), "is_island": [True, False] * 3 + [True],
    "share": np.arange(7, dtype=np.float32) / 7, "unused": ["x"] * 7,
}  # fmt: skip
NAMES = ["biome", "elevation", "depth", "cluster", "is_island", "share"]
STORED = {
    "biome": BIOME, "elevation": [12.5, None, None, -3.0, 0.0, 8848.0, 1.0],
    "depth": [1.0, None, 3.0, 4.0, 5.0, 6.0, 7.0],
    "cluster": list(range(7)), "is_island": ["true", "false"] * 3 + ["true"],
    "share": VALUES["share"].tolist(),
}  # fmt: skip


@pytest.fixture
def selection(tmp_path):
    """Seven tiles with further columns; the elevation has its unit."""
    path = write_selection(tmp_path / "selection.parquet", CELLS, **VALUES)
    table = pq.read_table(path)
    place = table.column_names.index("elevation")
    field = number_field("elevation", pa.float64(), unit="m", source="table 1: elevation")
    pq.write_table(table.set_column(place, field, table["elevation"]), path)
    return path


@pytest.fixture
def export(selection, archives, tmp_path):
    """Run the command; return the folder of the shards."""

    def call(*words, name="shards"):
        s2, s1 = archives
        assert run(app, ["export", str(selection), "--s2", str(s2), "--s1", str(s1), "--out",
                         str(tmp_path / name), "--patch-size", "12", "--workers", "1",
                         *words]) == 0  # fmt: skip
        return tmp_path / name

    return call


def test_each_patch_has_the_values_of_its_tile(export):
    folder = export("--columns", ", ".join(NAMES))
    data = minortom.shards.open(folder).shards
    rows = data.metadata(["grid_cell", *NAMES])
    assert len(rows) == 112
    for row in rows.to_pylist():
        tile = CELLS.index(row.pop("grid_cell"))
        assert row == {name: STORED[name][tile] for name in NAMES}
    kinds = [pa.string(), pa.float64(), pa.float64(), pa.int16(), pa.string(), pa.float32()]
    assert [rows.schema.field(name).type for name in NAMES] == kinds
    sample = next(s for s in minortom.shards.open(folder) if s["grid_cell"] == CELLS[2])
    assert {name: sample[name] for name in NAMES} == {name: STORED[name][2] for name in NAMES}
    assert list(sample)[-len(NAMES) :] == NAMES


def test_record_card_croissant_and_checks_know_the_columns(export):
    folder = export("--columns", ",".join(NAMES))
    record = record_of(folder)
    assert record["metadata_columns"][:3] == [
        {"name": "biome", "type": "string"}, {"name": "elevation", "type": "double", "unit": "m"},
        {"name": "depth", "type": "double"},
    ]  # fmt: skip
    assert record["minortom"]["options"]["columns"] == NAMES
    assert minortom.verify(folder, deep=True).problems == ()
    told = "Further columns of the tile: `biome`, `elevation` (m), `depth`, `cluster`"
    assert told in (folder / "README.md").read_text() == data_card(record)
    described = croissant_record(record, name="x", url="https://example.org/x")
    fields = {field["name"]: field for field in described["recordSet"][0]["field"]}
    assert {name: fields[name]["dataType"] for name in NAMES} == {
        "biome": "sc:Text", "elevation": "sc:Float", "depth": "sc:Float", "cluster": "sc:Integer",
        "is_island": "sc:Text", "share": "sc:Float",
    }  # fmt: skip
    assert fields["elevation"]["description"] == "Value of the tile in m."


def test_verify_finds_a_shard_without_a_further_column(export):
    folder = export("--columns", "elevation")
    path = next(folder.glob("shard-*.parquet"))
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["elevation"]), path)
    assert any("has no column elevation" in problem or "columns" in problem
               for problem in minortom.verify(folder).problems)  # fmt: skip


def test_columns_do_not_change_the_pixels_nor_the_order_and_without_them_no_byte(export):
    plain, more = export(name="plain"), export("--columns", "elevation,biome", name="more")
    assert "metadata_columns" not in record_of(plain)
    assert "columns" not in record_of(plain)["minortom"]["options"]
    names = [path.name for path in sorted(plain.glob("shard-*"))]
    assert names == [path.name for path in sorted(more.glob("shard-*"))]
    for name in names:
        old, new = pq.read_table(plain / name), pq.read_table(more / name)
        assert new.column_names == [*old.column_names, "elevation", "biome"]
        assert new.select(old.column_names).equals(old)


@pytest.mark.parametrize("words", [["--workers", "2"], ["--codec", "blosc2"]])
def test_workers_and_codecs_keep_the_columns(export, words):
    one = export("--columns", "biome,elevation", name="one")
    other = export("--columns", "biome,elevation", *words, name="other")
    if words[0] == "--workers":
        assert files_of(one) == files_of(other)
    names = ["grid_cell", "patch_row", "patch_col", "biome", "elevation"]
    found = [minortom.shards.open(folder).shards.metadata(names) for folder in (one, other)]
    assert found[0].equals(found[1])


def test_tars_have_the_columns_in_their_json(export):
    folder = export("--columns", "elevation,biome", "--format", "webdataset")
    assert minortom.verify(folder, deep=True).problems == ()
    seen = set()
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    row = json.loads(tar.extractfile(member).read())
                    tile = CELLS.index(row["grid_cell"])
                    assert row["elevation"] == STORED["elevation"][tile]
                    assert row["biome"] == BIOME[tile]
                    seen.add(tile)
    assert seen == set(range(7))


def test_a_reserve_brings_its_own_values(archives, tmp_path):
    cells = ["99U_99R", *CELLS[:3]]  # the first is in no archive
    selection = write_selection(
        tmp_path / "s.parquet", cells, role=["selected"] * 3 + ["reserve"],
        reserve_rank=[None, None, None, 1], z=[9.0, 0.5, 1.5, 2.5],
    )  # fmt: skip
    s2, s1 = archives
    minortom.export(selection, s2=s2, s1=s1, out=tmp_path / "o", patch_size=12, columns=["z"])
    rows = minortom.shards.open(tmp_path / "o").shards.metadata(["grid_cell", "z"]).to_pylist()
    assert {(row["grid_cell"], row["z"]) for row in rows} == {
        (CELLS[0], 0.5), (CELLS[1], 1.5), (CELLS[2], 2.5),
    }  # fmt: skip


def test_columns_of_roles_can_be_taken(export):
    folder = export("--columns", "role")
    assert set(minortom.shards.open(folder).shards.metadata(["role"])["role"].to_pylist()) == {
        "selected"
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("soil", "expected --columns among the columns of"),
        ("elevation,elevation", "expected --columns with each name once"),
        ("elevation,", "found ; correct the name"),
        ("climate", "expected --columns that shards do not have already, found climate"),
        ("lat", "expected --columns among the columns of"),
        ("vector", "expected numbers, text or booleans in the column vector of --columns"),
        ("word", "word must have a value in all selected rows, found null in 1"),
    ],
)
def test_columns_that_cannot_be_taken_are_one_line(
    selection, archives, tmp_path, capsys, words, message
):
    table = pq.read_table(selection).append_column("vector", pa.array([[1.0]] * 7))
    table = table.append_column("word", pa.array(["a"] * 6 + [None]))
    pq.write_table(table, selection)
    s2, s1 = archives
    typed = ["export", str(selection), "--s2", str(s2), "--s1", str(s1), "--patch-size", "12"]
    assert run(app, [*typed, "--out", str(tmp_path / "x"), "--columns", words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_many_columns_fit_into_the_footer_of_a_shard(export, selection):
    table = pq.read_table(selection)
    names = [f"a_long_name_of_a_column_{number:03d}" for number in range(300)]
    for name in names:
        table = table.append_column(name, pa.array(np.arange(7.0)))
    pq.write_table(table, selection)
    folder = export("--columns", ",".join(names))
    assert minortom.verify(folder).problems == ()
    assert len(pq.read_schema(next(folder.glob("*.parquet"))).names) == (
        3 + len(METADATA_SCHEMA) + 300
    )
