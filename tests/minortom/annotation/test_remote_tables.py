"""``annotate --table`` with tables on a web server or on the hub: the same rows, few bytes."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from annotating import CELLS, annotated
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.io.column_metadata import classes_metadata

pytest_plugins = ("annotate_fixtures",)

NAME = "global.parquet"
COLUMNS = ("elevation", "cluster_1")


@pytest.fixture
def table(tmp_path):
    """A table whose wide column of noise lies between the two that are read."""
    rng = np.random.default_rng(1)
    cells = [*CELLS, *(f"{row}U_5R" for row in range(100, 900))]
    columns = {
        "id": cells, "geoenrich:elevation": rng.normal(size=len(cells)),
        "noise": pa.array([rng.bytes(4000) for _ in cells]),
        "cluster_1": rng.integers(0, 9, len(cells)), "geometry": pa.array([b""] * len(cells)),
    }  # fmt: skip
    found = pa.table(columns).replace_schema_metadata(classes_metadata(["cluster_1"]))
    pq.write_table(found, tmp_path / NAME, row_group_size=300, compression="none")
    return tmp_path / NAME


@pytest.fixture
def look_up(arguments, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MINORTOM_CACHE", str(tmp_path / "cache"))

    def call(place, columns="elevation,cluster_1"):
        text = f"{place}:{columns}" if columns else str(place)
        _, found = annotated(arguments, capsys, "--keep-unmapped", "--table", text)
        return found.select(["grid_cell", *COLUMNS, "cluster_1_code"]).to_pylist()

    return call


@pytest.fixture(params=["http", "hf", "hf with a revision"])
def served(request, table, web_server, monkeypatch, tmp_path):
    """The server, the address of the table, and its path on the server."""
    if request.param == "http":
        (web_server.folder / "index").mkdir()
        place, path = web_server.folder / "index", f"/index/{NAME}"
        address = f"{web_server.url}/index/{NAME}"
    else:
        web_server.stand_for_the_hub(monkeypatch, tmp_path / "hf")
        place = web_server.folder / "datasets" / "O" / "N" / "data"
        place.mkdir(parents=True)
        revision = "" if request.param == "hf" else "@v2"
        path = f"/datasets/O/N/resolve/{revision[1:] or 'main'}/data/{NAME}"
        address = f"hf://datasets/O/N{revision}/data/{NAME}"
    (place / NAME).write_bytes(table.read_bytes())
    return web_server, address, path, place / NAME


def bytes_of(request):
    first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
    return int(last or 0) + (1 - int(first) if first else 0)


def test_a_remote_table_gives_the_rows_of_the_file_and_reads_its_columns_only(
    served, table, look_up, monkeypatch
):
    monkeypatch.setattr("minortom.remote.remote_parquet._TAIL_BYTES", 4000)
    monkeypatch.setattr("minortom.annotation.remote_table._MAX_GAP_BYTES", 10_000)
    server, address, path, _ = served
    assert look_up(address) == look_up(table)
    read = sum(bytes_of(request) for request in server.asked(path))
    assert 0 < read < table.stat().st_size / 20


def test_columns_in_the_cache_are_read_again_only_after_a_change(served, table, look_up):
    server, address, path, place = served
    first = look_up(address)
    before = len(server.asked(path))
    assert look_up(address) == first
    assert len(server.asked(path)) == before + 1  # whether it has changed
    changed = pq.read_table(table)
    values = pa.array(np.arange(len(changed), dtype=float))
    pq.write_table(changed.set_column(1, "geoenrich:elevation", values), place)
    again = {row["grid_cell"]: row["elevation"] for row in look_up(address)}
    assert again == {cell: float(number) for number, cell in enumerate(CELLS)}


def test_without_names_all_plain_columns_are_read(served, table, look_up):
    assert look_up(served[1], "") == look_up(table)


def test_a_server_without_byte_ranges_sends_the_whole_file(served, table, look_up):
    server, address, *_ = served
    server.ranges = False
    assert look_up(address) == look_up(table)


def test_a_csv_file_is_downloaded_whole(web_server, look_up):
    rows = [f"{cell},{number / 2},c{number}" for number, cell in enumerate(CELLS)]
    text = "\n".join(["grid_cell,elevation,cluster_1", *rows])
    (web_server.folder / "t.csv").write_text(text)
    found = {row.pop("grid_cell"): row for row in look_up(f"{web_server.url}/t.csv")}
    assert found == {
        cell: {"elevation": number / 2, "cluster_1": f"c{number}", "cluster_1_code": number}
        for number, cell in enumerate(CELLS)
    }


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("{url}/missing.parquet:z", "the file does not exist (HTTP 404); check the address"),
        ("{url}/page.parquet", "expected a Parquet file, cannot read"),
        ("hf://datasets/only-a-name.parquet", "such as hf://datasets/OWNER/NAME/table.parquet"),
        ("{url}/t.parquet:soil?sig=secret", "must have the column soil, found grid_cell, z"),
    ],
)
def test_remote_tables_that_cannot_be_used_are_one_line(
    web_server, arguments, capsys, monkeypatch, tmp_path, place, message
):
    monkeypatch.setenv("MINORTOM_CACHE", str(tmp_path / "cache"))
    (web_server.folder / "page.parquet").write_text("<html>log in</html>" * 10)
    pq.write_table(pa.table({"grid_cell": CELLS, "z": [1] * 4}), web_server.folder / "t.parquet")
    assert run(app, [*arguments, "--table", place.format(url=web_server.url)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "secret" not in error
