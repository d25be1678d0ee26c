"""Up-to-date checks: which outputs may be written, kept or replaced."""

import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import atomic_file, write_json
from minortom.io.provenance import KEY, Provenance
from minortom.io.tables import read_any_table
from minortom.io.up_to_date import (
    check_outside,
    check_parquet,
    is_up_to_date,
    stored_provenance,
)

MADE = Provenance(command="annotate", options={"bbox": [0.0, 1.0]}, inputs={"cells": "12"})
OTHER = Provenance(command="annotate", options={"bbox": None}, inputs={"cells": "12"})


@pytest.fixture
def made(tmp_path):
    out = tmp_path / "out.parquet"
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({KEY: MADE.to_json()}), out)
    return out


def test_an_output_with_the_same_provenance_is_up_to_date(made):
    assert is_up_to_date(made, MADE, inputs=(), overwrite=False)
    assert is_up_to_date(made, MADE, inputs=(), overwrite=True)


def test_an_output_with_another_provenance_is_replaced_only_with_overwrite(made):
    with pytest.raises(OutputExistsError, match="made with other inputs or options.*--overwrite"):
        is_up_to_date(made, OTHER, inputs=(), overwrite=False)
    assert not is_up_to_date(made, OTHER, inputs=(), overwrite=True)


@pytest.mark.parametrize("name", ["o.parquet", "o.geoparquet", "o.pq", "O.PARQUET"])
def test_a_name_that_passes_for_a_table_is_read_as_parquet(made, name):
    out = made.rename(made.with_name(name))

    check_parquet(out, "a table")
    assert stored_provenance(out) == MADE.as_dict()
    assert read_any_table(out, expected="a table").to_pydict() == {"a": [1]}


@pytest.mark.parametrize("name", ["o.csv", "o.csv.gz", "o.tsv", "o.json", "o.html", "o.tif", "o"])
def test_a_name_of_another_format_is_refused_for_a_table(name):
    with pytest.raises(InputError, match=f"suffix .parquet for a table, found {name}; change"):
        check_parquet(Path(name), "a table")


@pytest.mark.parametrize("content", [b"", b"a text", b"PAR1 garbage PAR1"])
def test_a_file_without_provenance_is_replaced_only_with_overwrite(tmp_path, content):
    (tmp_path / "out.parquet").write_bytes(content)

    with pytest.raises(OutputExistsError, match="not made by this command"):
        is_up_to_date(tmp_path / "out.parquet", MADE, inputs=(), overwrite=False)


def test_a_folder_is_judged_by_its_record(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    write_json(out / "dataset.json", {KEY: MADE.as_dict()})

    assert is_up_to_date(out, MADE, inputs=(), overwrite=False, record="dataset.json")
    with pytest.raises(OutputExistsError):
        is_up_to_date(out, OTHER, inputs=(), overwrite=False, record="dataset.json")


def test_the_folders_above_an_output_are_made(tmp_path):
    out = tmp_path / "runs" / "first" / "out.parquet"

    assert not is_up_to_date(out, MADE, inputs=(), overwrite=False)
    with atomic_file(out) as temporary:
        temporary.write_text("new")

    assert out.read_text() == "new"


def test_an_output_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="file must be a folder, but is a file; give"):
        is_up_to_date(tmp_path / "file" / "out.parquet", MADE, inputs=(), overwrite=False)


@pytest.mark.parametrize("target", ["nowhere", "link"])
def test_an_output_below_a_broken_link_is_refused(tmp_path, target):
    (tmp_path / "link").symlink_to(target)

    with pytest.raises(InputError, match="link must be a folder, but is a broken link; give"):
        is_up_to_date(tmp_path / "link" / "out", MADE, inputs=[tmp_path], overwrite=False)


def test_a_broken_link_may_be_an_output(tmp_path):
    (tmp_path / "link").symlink_to("link")

    assert not is_up_to_date(tmp_path / "link", MADE, inputs=[tmp_path], overwrite=False)


def test_an_output_that_is_not_utf_8_is_refused_before_any_work(tmp_path):
    out = tmp_path / os.fsdecode(b"caf\xe9.txt")

    with pytest.raises(InputError, match=r"caf\\udce9.txt' is not UTF-8; give another name"):
        is_up_to_date(out, MADE, inputs=(), overwrite=False)


@pytest.mark.parametrize("out", [".", "", "/", "..", "runs/.."])
def test_an_output_without_a_name_of_its_own_is_refused(out):
    with pytest.raises(InputError, match="has no file name; give one"):
        is_up_to_date(Path(out), MADE, inputs=(), overwrite=True, record="dataset.json")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_strangers_folder_is_never_replaced(tmp_path, overwrite):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").touch()

    with pytest.raises(OutputExistsError, match="has files but no dataset.json, so this"):
        is_up_to_date(out, MADE, inputs=(), overwrite=overwrite, record="dataset.json")


def test_an_empty_folder_may_be_replaced(tmp_path):
    out = tmp_path / "out"
    out.mkdir()

    assert not is_up_to_date(out, MADE, inputs=(), overwrite=False, record="dataset.json")


@pytest.mark.parametrize("inputs", ["out", "out/selection.parquet", "link"])
def test_an_input_is_never_replaced(tmp_path, inputs):
    out = tmp_path / "out"
    out.mkdir()
    (out / "selection.parquet").touch()
    (tmp_path / "link").symlink_to(out)

    with pytest.raises(InputError, match="(is|contains) the input"):
        is_up_to_date(out, MADE, inputs=[tmp_path / inputs], overwrite=True, record="dataset.json")


def test_an_output_inside_an_input_folder_is_allowed(tmp_path):
    assert not is_up_to_date(tmp_path / "out.parquet", MADE, inputs=[tmp_path], overwrite=False)


@pytest.mark.parametrize("name", ["dataset.json", "shard.parquet", "below/it.parquet"])
def test_a_file_that_belongs_to_an_input_folder_is_never_replaced(tmp_path, name):
    (tmp_path / "below").mkdir()
    (tmp_path / name).write_text("precious")

    with pytest.raises(InputError, match="is a file of the input"):
        is_up_to_date(tmp_path / name, MADE, inputs=iter([tmp_path]), overwrite=True)


def test_a_former_result_inside_an_input_folder_may_be_replaced(made):
    newer = replace(MADE, seed=99)
    assert not is_up_to_date(made, newer, inputs=[made.parent], overwrite=True)


def test_a_file_is_never_replaced_by_a_folder(tmp_path):
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(InputError, match="--out must be a folder, found the file"):
        is_up_to_date(
            tmp_path / "thesis.tex", MADE, inputs=(), overwrite=True, record="dataset.json"
        )


@pytest.mark.parametrize("name", ["out", "out/page.html", "out/below/cache", "link/cache"])
def test_a_further_output_inside_the_output_folder_is_refused(tmp_path, name):
    (tmp_path / "link").symlink_to("out")  # which does not exist yet

    with pytest.raises(InputError, match=r"--html must lie outside --out .*out, found .*give an"):
        check_outside(tmp_path / name, tmp_path / "out", option="--html")


@pytest.mark.parametrize("name", ["page.html", "out.html", "output/page.html", "out/../page.html"])
def test_a_further_output_beside_the_output_folder_is_allowed(tmp_path, name):
    check_outside(tmp_path / name, tmp_path / "out", option="--html")
