"""``annotate --table``: columns of tables of cells, against pandas' merge and by hand."""

import gzip
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from annotating import CELLS, MANIFEST, annotated
from minortom_cli.console import run
from minortom_cli.curate.app import app

import minortom
from minortom.annotation.annotate import annotate
from minortom.grid.cells import cells_from_names, whole_grid
from minortom.io.column_metadata import classes_metadata, source_of, unit_of

pytest_plugins = ("annotate_fixtures",)

OWN = ("lat", "lon", "climate", "landcover", "climate_code", "landcover_code", "stratum", "bbox",
       "geometry")  # fmt: skip


@pytest.fixture
def look_up(arguments, tmp_path, capsys):
    """Write a table, annotate with it; return the summary and the further columns by cell."""

    def call(columns, *more, name="t.parquet", suffix="", metadata=None):
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        pq.write_table(table.replace_schema_metadata(metadata), tmp_path / name)
        summary, found = annotated(arguments, capsys, "--keep-unmapped",
                                   "--table", f"{tmp_path / name}{suffix}", *more)  # fmt: skip
        return summary, further(found)

    return call


def further(table: pa.Table) -> dict:
    names = [name for name in table.column_names if name not in OWN]
    return {row.pop("grid_cell"): row for row in table.select(names).to_pylist()}


def index_names(names):
    """Names as in the index of cells: four digits each."""
    parts = [re.fullmatch(r"(\d+)([UD])_(\d+)([RL])", name).groups() for name in names]
    return [f"MT10km_{int(r):04d}{u}_{int(c):04d}{s}" for r, u, c, s in parts]


@pytest.mark.parametrize("named", [str, index_names])
def test_many_rows_are_joined_as_pandas_joins_them(tmp_path, arguments, named):
    rng = np.random.default_rng(3)
    cells = whole_grid()
    names = cells.take(rng.choice(len(cells), 300_000, replace=False)).names()
    frame = pd.DataFrame({
        "real": rng.normal(size=len(names)).astype(np.float32),
        "whole": rng.integers(-9, 9, len(names)),
        "word": rng.choice(["a", "b", "c d"], len(names)),
    })  # fmt: skip
    frame.loc[::7, "real"] = np.nan
    frame["word"] = frame["word"].where(frame.index % 5 != 0, None)
    key = "grid_cell" if named is str else "id"
    written = frame.assign(**{key: names.tolist() if named is str else index_names(names)})
    written.to_parquet(tmp_path / "t.parquet", row_group_size=10_000)
    wanted = np.concatenate([names[::3], cells.take(np.arange(50_000, 50_500)).names()])
    expected = (
        pd.DataFrame({"grid_cell": np.unique(wanted)})
        .merge(frame.assign(grid_cell=names), how="left", on="grid_cell")
    )  # fmt: skip
    maps = {"climate": arguments[3], "landcover": arguments[5]}
    result = annotate(
        pa.table({"grid_cell": wanted}), **maps, keep_unmapped=True,
        table=str(tmp_path / "t.parquet"),
    )  # fmt: skip
    found = result.table.to_pandas().sort_values("grid_cell").reset_index(drop=True)
    pd.testing.assert_series_equal(found["real"], expected["real"])
    pd.testing.assert_series_equal(found["whole"], expected["whole"])
    words = expected["word"].fillna("unmapped")
    assert found["word"].astype(str).tolist() == words.tolist()
    assert result.unmapped["word"] == int((words == "unmapped").sum())
    assert result.unknown == {name: int(expected[name].isna().sum()) for name in ("real", "whole")}


def test_types_namespaces_units_and_sources(look_up):
    summary, found = look_up(
        pa.table({
            "id": index_names(CELLS[:3]), "geoenrich:elevation": [1.5, None, float("nan")],
            "geoenrich:soil": pa.array([1, 2, 3], pa.int16()), "geoenrich:admin": ["y", " ", "x"],
            "is_island": [True, False, None],
        }),
        suffix=":elevation,geoenrich:soil,admin,is_island",
    )  # fmt: skip
    assert found[CELLS[0]] == {
        "elevation": 1.5, "soil": 1, "admin": "y", "admin_code": 1, "is_island": "true",
        "is_island_code": 1,
    }  # fmt: skip
    assert found[CELLS[1]]["admin"] == "unmapped"
    assert found[CELLS[3]] == {
        "elevation": None, "soil": None, "admin": "unmapped", "admin_code": 255,
        "is_island": "unmapped", "is_island_code": 255,
    }  # fmt: skip
    table = pq.read_table(summary["out"])
    assert table.schema.field("soil").type == pa.int16()
    assert source_of(table.schema.field("elevation")) == "table 1: geoenrich:elevation"
    assert list(summary["not_in_table"].values()) == [1]
    assert summary["unknown"] == {"elevation": 3, "soil": 1}


def test_the_unit_of_a_column_stays(look_up):
    schema = pa.schema(
        [("grid_cell", pa.string()), pa.field("z", pa.float64(), metadata={"unit": "m"})]
    )
    table = pa.table([CELLS, [1.0, 2.0, 3.0, 4.0]], schema=schema)
    summary, _ = look_up(table)
    assert unit_of(pq.read_schema(summary["out"]).field("z")) == "m"


HEADER = "grid_cell,real,whole,word,flag"
SEMICOLONS = HEADER.replace(",", ";")
CSV = {
    "comma": f"{HEADER}\n0U_0R,1.5,3,NA,true\n0U_1R,NA,,b,FALSE\n",
    "semicolon": SEMICOLONS + '\n0U_0R;1,5;3;NA;true\n\n0U_1R;;;"b";FALSE\n;;;;\n',
    "excel": f"sep=;\r\n{SEMICOLONS}\r\n0U_0R;1,5;3;NA;true\r\n0U_1R;;;b;FALSE\r\n",
}


@pytest.mark.parametrize("text", CSV.values(), ids=CSV)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gzip"])
def test_csv_has_numbers_classes_and_booleans(arguments, tmp_path, capsys, text, encoding):
    content = gzip.compress(text.encode()) if encoding == "gzip" else text.encode(encoding)
    path = tmp_path / ("t.csv.gz" if encoding == "gzip" else "t.csv")
    path.write_bytes(content)
    _, found = annotated(arguments, capsys, "--keep-unmapped", "--table", str(path))
    rows = further(found)
    assert rows["0U_0R"] == {
        "real": 1.5, "whole": 3, "word": "NA", "word_code": 0, "flag": "true", "flag_code": 1,
    }  # fmt: skip
    assert rows["0U_1R"] | {"word_code": 1} == {
        "real": None, "whole": None, "word": "b", "word_code": 1, "flag": "false", "flag_code": 0,
    }  # fmt: skip
    assert rows["50U_50R"]["flag"] == "unmapped"


def test_csv_in_latin_1_is_read(arguments, tmp_path, capsys):
    (tmp_path / "t.csv").write_bytes("grid_cell,word\n0U_0R,Föhr\n".encode("latin-1"))
    _, found = annotated(arguments, capsys, "--keep-unmapped", "--table", str(tmp_path / "t.csv"))
    assert further(found)["0U_0R"]["word"] == "Föhr"


@pytest.mark.parametrize("stored", [pa.int32(), pa.float64()])
@pytest.mark.parametrize("told", ["option", "metadata"])
def test_whole_numbers_become_classes_that_name_themselves(look_up, stored, told):
    columns = {"grid_cell": CELLS, "cluster_2": pa.array([4999, 7, None, 7], stored)}
    summary, found = look_up(
        columns, *(["--class-column", "cluster_2"] if told == "option" else []),
        metadata=classes_metadata(["cluster_2"]) if told == "metadata" else None,
    )  # fmt: skip
    assert [found[cell]["cluster_2"] for cell in CELLS] == ["4999", "7", "unmapped", "7"]
    assert [found[cell]["cluster_2_code"] for cell in CELLS] == [4999, 7, 65535, 7]
    assert pq.read_table(summary["out"])["cluster_2"].chunk(0).dictionary.to_pylist() == [
        "7", "4999", "unmapped",
    ]  # fmt: skip


def test_cells_that_a_table_lacks_are_dropped_on_request(look_up):
    columns = {"grid_cell": CELLS[1:3], "z": [1.0, None]}
    summary, found = look_up(columns, "--table-missing", "drop")
    assert {cell: row["z"] for cell, row in found.items()} == {CELLS[1]: 1.0, CELLS[2]: None}
    assert (summary["tiles"], summary["dropped"]) == (2, {"not_in_table": 2})
    assert summary["cells_in"] == summary["tiles"] + sum(summary["dropped"].values())
    assert summary["unmapped"] == {"climate": 0, "landcover": summary["unmapped"]["landcover"]}


def test_two_tables_give_their_columns_in_order_and_drop_what_either_lacks(look_up, tmp_path):
    pq.write_table(pa.table({"grid_cell": CELLS[:2], "b": [5, 6]}), tmp_path / "u.parquet")
    summary, found = look_up(
        {"grid_cell": CELLS[1:], "a": [1, 2, 3]}, "--table", str(tmp_path / "u.parquet"),
        "--table-missing", "drop",
    )  # fmt: skip
    assert found == {CELLS[1]: {"a": 1, "b": 6}}
    names = pq.read_schema(summary["out"]).names
    assert names.index("b") == names.index("a") + 1 == names.index("bbox") - 1


def test_a_folder_of_parquet_files_is_one_table(arguments, tmp_path, capsys):
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, cell in enumerate(CELLS):
        pq.write_table(pa.table({"grid_cell": [cell], "z": [number]}), folder / f"{number}.parquet")
    _, found = annotated(arguments, capsys, "--keep-unmapped", "--table", f"{folder}:z")
    assert [further(found)[cell]["z"] for cell in CELLS] == [0, 1, 2, 3]


def test_rows_that_agree_count_as_one(look_up):
    columns = {"grid_cell": [*CELLS, *CELLS], "z": [1.0, None, float("nan"), 2.0] * 2,
               "w": ["a", None, "b", "c"] * 2}  # fmt: skip
    _, found = look_up(columns)
    assert [found[cell]["z"] for cell in CELLS] == [1.0, None, None, 2.0]


def test_columns_that_cannot_be_taken_are_named_in_a_note(look_up):
    columns = {"grid_cell": CELLS, "z": [1, 2, 3, 4], "lat": [0.0] * 4, "a b": [0] * 4,
               "vector": [[1.0]] * 4}  # fmt: skip
    summary, found = look_up(columns)
    assert list(found[CELLS[0]]) == ["z"]
    assert summary["notes"][0].endswith("columns left out: lat, a b, vector")


def test_the_options_are_in_the_provenance_and_a_new_table_makes_a_new_file(look_up, tmp_path):
    columns = {"grid_cell": CELLS, "z": [1, 2, 3, 4]}
    again = ["--table-missing", "unmapped", "--class-column", "z"]
    summary, _ = look_up(columns, *again, suffix=":z")
    provenance = pq.read_schema(summary["out"]).metadata[b"minortom"].decode()
    assert '"tables": [["z"]]' in provenance
    assert '"class_columns": ["z"]' in provenance
    assert '"table_missing": "unmapped"' in provenance
    assert str(tmp_path) not in provenance
    other, _ = look_up(columns | {"z": [1, 2, 3, 5]}, *again, suffix=":z")
    assert other["status"] == "written"


def test_the_same_again_is_up_to_date_with_the_counts_of_the_file(
    look_up, arguments, tmp_path, capsys
):
    look_up({"grid_cell": CELLS[:3], "z": [1.0, None, 2.0]})
    words = [*arguments, "--keep-unmapped", "--table", str(tmp_path / "t.parquet")]
    assert run(app, words) == 0
    shown = capsys.readouterr().out
    assert '"status": "up to date"' in shown
    assert '"z": 2' in shown


GOOD = {"grid_cell": CELLS, "z": [1.0, 2.0, 3.0, 4.0]}
REFUSED = {
    "no column of cells": ({"cell": CELLS}, "", "with the column grid_cell or id, found cell in"),
    "numbers as cells": ({"grid_cell": [1, 2]}, "", "expected names of cells in the column grid"),
    "a column that is not there": (GOOD, ":y", "must have the column y, found grid_cell, z"),
    "a column named twice": (GOOD, ":z,n:z", "with each column once"),
    "no name of a column": (GOOD, ":z,", "expected --table FILE"),
    "another namespace": (GOOD | {"a:z": CELLS}, ":c:z", "must have the column c:z, found grid_"),
    "two columns of one name": (
        {"grid_cell": CELLS, "a:z": [1] * 4, "b:z": [1] * 4}, ":z", "the column z more than once",
    ),
    "a name that is taken": (GOOD | {"stratum": CELLS}, ":stratum", "not the name of another"),
    "lists": (GOOD | {"v": [[1]] * 4}, ":v", "expected numbers, text or booleans in the column v"),
    "a cell outside the grid": (
        {"grid_cell": ["5000U_0R"], "z": [1]}, "", "expected names of cells of the Major TOM",
    ),
    "a cell of the index outside the grid": (
        {"id": ["MT10km_0000U_0000R", "MT10km_0000U_2100R"], "z": [1, 2]}, "",
        "1 of 2 names that are not, first 'MT10km_0000U_2100R'",
    ),
    "an odd name of the index": (
        {"id": ["MT10km_0000U_0000R", "0U_0R"], "z": [1, 2]}, "", "first '0U_0R'",
    ),
    "a row without a cell": ({"grid_cell": [None, "0U_0R"], "z": [1, 2]}, "", "1 rows without"),
    "rows that differ": (
        {"grid_cell": [*CELLS, CELLS[0]], "z": [1, 2, 3, 4, 5]}, "",
        f"found rows of {CELLS[0]} with different values of z; keep one row",
    ),
    "rows of which one has no value": (
        {"grid_cell": [CELLS[0]] * 2, "z": ["a", None]}, "", "with different values of z",
    ),
    "all null": (GOOD | {"y": pa.nulls(4, pa.float64())}, ":z,y", "a value of y for at least one"),
    "no row of the tiles": ({"grid_cell": ["9U_9R"], "z": [1]}, "", "found none of 4 tiles"),
    "no row at all": ({"grid_cell": pa.array([], pa.string()), "z": pa.array([], pa.int8())}, "",
                      "found none of 4"),
    "infinite": (GOOD | {"z": [1, 2, 3, np.inf]}, "", "expected finite numbers in the column z"),
    "nothing to take": ({"grid_cell": CELLS}, "", "expected columns of numbers, text or booleans"),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "suffix", "message"), REFUSED.values(), ids=REFUSED)
def test_tables_that_cannot_be_used_are_one_line(
    arguments, tmp_path, capsys, columns, suffix, message
):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    words = [*arguments, "--keep-unmapped", "--table", f"{tmp_path / 't.parquet'}{suffix}"]
    assert run(app, words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "a.parquet").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--class-column", "y"],
            "expected --class-column among the columns of --table (z), found y",
        ),
        (["--class-column", "z"], "expected whole numbers in the column z, found 1.5"),
        (
            ["--descriptor", "z=DIR/climate.tif", "--manifest", "DIR/z.yaml"],
            "found z more than once",
        ),
        (["--table", "nothing.csv"], "found no file nothing.csv; check the path"),
    ],
)
def test_options_about_tables_that_contradict_are_one_line(
    arguments, tmp_path, capsys, words, message
):
    pq.write_table(pa.table({"grid_cell": CELLS, "z": [1.5, 2, 3, 4]}), tmp_path / "t.parquet")
    (tmp_path / "z.yaml").write_text(MANIFEST)
    words = [word.replace("DIR", str(tmp_path)) for word in words]
    assert run(app, [*arguments, "--table", str(tmp_path / "t.parquet"), *words]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--class-column", "z"], ["--table-missing", "drop"]])
def test_options_about_tables_need_a_table(arguments, capsys, words):
    assert run(app, [*arguments, *words]) == 1
    assert f"{words[0]} needs a table of cells; give --table" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "place", "columns"),
    [
        ("a.parquet", "a.parquet", None),
        ("a.parquet:x,y", "a.parquet", ("x", "y")),
        ("d:r/a.parquet:n:x", "d:r/a.parquet", ("n:x",)),
        ("https://h:8/a.parquet", "https://h:8/a.parquet", None),
        ("https://h:8/a.parquet:x, y", "https://h:8/a.parquet", ("x", "y")),
        ("https://h/a.parquet:x?sig=a:b/c", "https://h/a.parquet?sig=a:b/c", ("x",)),
        ("hf://datasets/O/N@v/a.parquet:x", "hf://datasets/O/N@v/a.parquet", ("x",)),
    ],
)
def test_columns_follow_the_first_colon_after_the_last_slash(text, place, columns):
    from minortom.annotation.table_choice import TableChoice

    assert TableChoice.parse(text) == TableChoice(place=place, columns=columns)


def test_a_file_with_a_colon_in_its_name_is_that_file(arguments, tmp_path, capsys):
    pq.write_table(pa.table(GOOD), tmp_path / "a:b.parquet")
    _, found = annotated(
        arguments, capsys, "--keep-unmapped", "--table", str(tmp_path / "a:b.parquet")
    )
    assert further(found)[CELLS[3]] == {"z": 4.0}


def test_published_names_at_the_antimeridian_are_the_cells_of_the_grid(arguments, tmp_path):
    own = cells_from_names(["502U_1415R"]).names()[0]
    assert own.endswith("L")
    pq.write_table(pa.table({"id": index_names(["502U_1415R"]), "z": [7]}), tmp_path / "t.parquet")
    result = annotate(
        pa.table({"grid_cell": [own]}), climate=arguments[3], landcover=arguments[5],
        keep_unmapped=True, table=tmp_path / "t.parquet",
    )  # fmt: skip
    assert result.table["z"].to_pylist() == [7]


def test_a_selection_keeps_the_columns_and_a_report_reads_its_strata(arguments, tmp_path):
    cells = whole_grid().names()[2_500_000:2_500_144]
    unit = pa.field("z", pa.float64(), metadata={"unit": "m"})
    schema = pa.schema([("grid_cell", pa.string()), unit, ("cluster_2", pa.int32())])
    rows = [pa.array(cells), pa.array(np.arange(144.0)), pa.array(np.arange(144) % 3, pa.int32())]
    pq.write_table(pa.table(rows, schema=schema), tmp_path / "t.parquet")
    minortom.annotate(
        pa.table({"grid_cell": cells}), climate=arguments[3], landcover=arguments[5],
        keep_unmapped=True, table=tmp_path / "t.parquet", class_column="cluster_2",
        out=tmp_path / "a.parquet",
    )  # fmt: skip
    minortom.sample(
        tmp_path / "a.parquet", out=tmp_path / "s.parquet", stratify_by=["cluster_2"],
        per_stratum=5, method="random",
    )  # fmt: skip
    chosen = pq.read_table(tmp_path / "s.parquet")
    assert unit_of(chosen.schema.field("z")) == "m"
    assert sorted(chosen["stratum"].to_pylist()) == sorted(["0", "1", "2"] * 5)
    z = dict(zip(cells, range(144), strict=True))
    assert chosen["z"].to_pylist() == [z[cell] for cell in chosen["grid_cell"].to_pylist()]
    found = minortom.report(
        tmp_path / "s.parquet", annotated=tmp_path / "a.parquet", out=tmp_path / "r"
    )
    assert "strata" in str(found)
