"""Tables as people have them: separators, encodings, blank rows, gzip, folders, Arrow's types."""

import errno
import gzip
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import minortom
from csmoe_model.datasets.labels_csv import read_labels
from minortom.errors import InputError
from minortom.grid.cell_lists import cell_sources, read_cells
from minortom.io.coordinates import coordinate_names
from minortom.io.tables import damage_as_input_error, read_any_table
from minortom.sampling.quotas import read_quota

WANTED = "expected a table"
ROWS = [["378D_170R", "-33.92", "18.42", "région"], ["543U_17R", "48.86", "2.35", "x"]]
NAMES = ["grid_cell", "lat", "lon", "note"]


def text_of(separator=",", end="\n"):
    return end.join(separator.join(row) for row in [NAMES, *ROWS]) + end


FILES = {
    "comma": text_of().encode(),
    "semicolon": text_of(";").encode(),
    "tab": text_of("\t").encode(),
    "bar": text_of("|").encode(),
    "CRLF": text_of(";", "\r\n").encode(),
    "separator in the first line": ("sep=;\r\n" + text_of(";")).encode(),
    "byte-order mark": text_of().encode("utf-8-sig"),
    "UTF-16": text_of("\t").encode("utf-16"),
    "UTF-16 big": b"\xfe\xff" + text_of().encode("utf-16-be"),
    "UTF-32": text_of().encode("utf-32"),
    "Latin-1": text_of(";").encode("latin-1"),
    "blank rows": (text_of() + ",,,\n  \n\n,,,\n").encode(),
    "blank rows of one separator less": (text_of(";") + ";;\n;\n").encode(),
    "blanks around names": text_of().replace("lat,lon", " lat , lon").encode(),
    "gzip": gzip.compress(text_of().encode()),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_every_form_of_a_csv_file_is_the_same_table(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)

    table = read_any_table(tmp_path / "t.csv", expected=WANTED)

    assert table.column_names == NAMES
    assert [list(row.values()) for row in table.to_pylist()] == ROWS


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.TSV"])
def test_every_form_is_a_list_of_cells(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    assert set(read_cells([str(tmp_path / name)]).names()) == {row[0] for row in ROWS}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_a_text_file_of_cells_has_any_of_these_encodings(tmp_path, encoding):
    (tmp_path / "cells.txt").write_bytes("378D_170R\r\n543U_17R\r\n".encode(encoding))
    assert len(read_cells([str(tmp_path / "cells.txt")])) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_a_quota_has_any_of_these_forms(tmp_path, encoding):
    text = "stratum;tiles;rémarque\nDfb/tree_cover;3;x\n;;\n"
    (tmp_path / "q.csv").write_bytes(text.encode(encoding))
    assert read_quota(tmp_path / "q.csv") == {"Dfb/tree_cover": 3}


@pytest.mark.parametrize(
    ("lat", "lon"),
    [("latitude", "longitude"), ("Lat", "Lon"), ("LAT", "LONG"), (" Latitude ", "lng")],
)
def test_points_have_coordinates_under_any_usual_name(tmp_path, lat, lon):
    (tmp_path / "p.csv").write_text(f'id;{lat};{lon}\n7;"-33,92";18.42\n')
    located = minortom.locate(points=tmp_path / "p.csv")
    assert located.names == ["378D_170R"]
    assert located.table["lat"].to_pylist() == [-33.92]
    frame = pa.table({lat: [-33.92], lon: [18.42]})
    assert minortom.locate(points=frame).names == ["378D_170R"]


def test_the_exact_name_comes_first_and_two_others_are_none():
    assert coordinate_names(["Lat", "lat", "lon"]) == {"lat": "lat", "lon": "lon"}
    assert coordinate_names(["Lat", "Latitude", "lon"]) == {"lon": "lon"}


def test_a_folder_of_parquet_files_is_one_table(tmp_path):
    for number, row in enumerate(ROWS):
        part = pa.table({"grid_cell": pa.array(row[:1], [pa.string(), pa.large_string()][number])})
        pq.write_table(part, tmp_path / f"part-{number}.parquet")
    (tmp_path / "_SUCCESS").write_bytes(b"")
    (tmp_path / "_metadata.parquet").write_bytes(b"no table")

    table = read_any_table(tmp_path, expected=WANTED)

    assert table["grid_cell"].to_pylist() == [row[0] for row in ROWS]
    assert len(read_cells([str(tmp_path)])) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\x00\x00", "expected text in UTF-8"),
        (b"a,b\n\x81\x8d,\xff\n", "save the file as UTF-8"),
        ("grid_cell\n0U_1R\n".encode("utf-16-le"), "UTF-16 with a byte-order mark"),
        (gzip.compress(b"grid_cell\n", mtime=0)[:-6], "cannot read"),
        (b"\x1f\x8bno gzip", "cannot read"),
        (b"a,b\n1,2,3\n", "cannot read"),
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
    ],
)
def test_what_is_no_table_is_one_line_that_names_the_file(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_any_table(tmp_path / "t.csv", expected=WANTED)
    assert "t.csv" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [pa.string_view(), pa.large_string()])
def test_views_of_text_are_read_like_text(tmp_path, kind):
    table = pa.table({"grid_cell": pa.array([row[0] for row in ROWS], kind)})
    given = [table]
    with suppress(pa.ArrowNotImplementedError):  # pyarrow 18 writes no views
        pq.write_table(table, tmp_path / "t.parquet")
        given.append(str(tmp_path / "t.parquet"))
    assert [len(read_cells(cell_sources(each))) for each in given] == [2] * len(given)


@pytest.mark.parametrize(
    "error", [OSError("Corrupt snappy"), pa.ArrowInvalid("no page"), OSError()]
)
def test_damage_is_one_line(error):
    with pytest.raises(InputError, match=r"^a.parquet is damaged \(.+\); get"):  # noqa: SIM117
        with damage_as_input_error(Path("a.parquet")):
            raise error


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "I/O error"), pa.lib.ArrowMemoryError("full")]
)
def test_an_error_of_the_system_is_no_damage(error):
    with pytest.raises(type(error)), damage_as_input_error(Path("a.parquet")):
        raise error


@pytest.mark.parametrize("separator", [",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_labels_are_read_in_any_of_these_forms(tmp_path, separator, encoding):
    (tmp_path / "é.tif").write_bytes(b"")
    text = separator.join(["file", "label"]) + "\n" + separator.join(["é.tif", "a;b"]) + "\n"
    (tmp_path / "labels.csv").write_bytes((text + separator + "\n").encode(encoding))
    (line,) = read_labels(tmp_path)
    assert line.labels == ("a", "b")
