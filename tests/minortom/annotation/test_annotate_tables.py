"""``annotate --table``: columns of tables of cells, against pandas' merge and by hand."""

import gzip
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from annotating import CELLS, annotated, further_rows
from minortom_cli.console import run
from minortom_cli.curate.app import app

import minortom
from minortom.annotation.annotate import annotate
from minortom.grid.cells import cells_from_names, whole_grid
from minortom.io.column_metadata import classes_metadata, source_of, unit_of

pytest_plugins = ("annotate_fixtures",)


@pytest.fixture
def look_up(arguments, tmp_path, capsys):
    """Write a table, annotate with it; return the summary and the further columns by cell."""

    def call(columns, *more, name="t.parquet", suffix="", metadata=None):
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        pq.write_table(table.replace_schema_metadata(metadata), tmp_path / name)
        summary, found = annotated(arguments, capsys, "--keep-unmapped",
                                   "--table", f"{tmp_path / name}{suffix}", *more)  # fmt: skip
        return summary, further_rows(found)

    return call


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
    rows = further_rows(found)
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
    assert further_rows(found)["0U_0R"]["word"] == "Föhr"


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
    assert [further_rows(found)[cell]["z"] for cell in CELLS] == [0, 1, 2, 3]


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
