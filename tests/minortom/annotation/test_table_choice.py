"""``annotate --table FILE[:COLUMNS]`` and the options about tables: what they mean and refuse."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from annotating import CELLS, MANIFEST, annotated, further_rows
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.annotation.table_choice import TableChoice

pytest_plugins = ("annotate_fixtures",)


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
    assert TableChoice.parse(text) == TableChoice(place=place, columns=columns)


def test_a_file_with_a_colon_in_its_name_is_that_file(arguments, tmp_path, capsys):
    pq.write_table(
        pa.table({"grid_cell": CELLS, "z": [1.0, 2.0, 3.0, 4.0]}), tmp_path / "a:b.parquet"
    )
    _, found = annotated(
        arguments, capsys, "--keep-unmapped", "--table", str(tmp_path / "a:b.parquet")
    )
    assert further_rows(found)[CELLS[3]] == {"z": 4.0}


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
