"""Shards as tars: read by the webdataset library, checked by verify."""

import io
import json
import tarfile

import numpy as np
import pytest
import webdataset
from minortom_cli.console import run
from minortom_cli.model.app import app
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors

from minortom.dataset.card import data_card
from minortom.dataset.verify import verify
from minortom.errors import InputError, ShardError
from minortom.shards.formats import Codec, Format
from minortom.shards.layout import SampleSpec
from minortom.shards.record import read_record
from minortom.shards.shard_set import ShardSet
from minortom.shards.writer import write_shards

FIRST = "shard-00000-of-00002.tar"
SPEC = SampleSpec(patch_px=8, format=Format.WEBDATASET)


def write_tars(folder, spec=SPEC):
    whole = made_up_tensors(40, 8)
    tensors = {g.column: whole[g.column][:, : len(g.bands)] for g in spec.groups}
    write_shards(
        folder, tensors=tensors, metadata=made_up_metadata(40, num_val=8),
        provenance=PROVENANCE, rows_per_shard=24, spec=spec,
    )  # fmt: skip
    return tensors


@pytest.fixture
def folder(tmp_path):
    write_tars(tmp_path / "tars")
    return tmp_path / "tars"


def rewrite(path, change):
    """Replace the members of a tar by `change(name, data)`; None removes one."""
    with tarfile.open(path) as tar:
        members = [(m.name, tar.extractfile(m).read()) for m in tar]
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            changed = change(name, data)
            if changed is not None:
                info = tarfile.TarInfo(name)
                info.size = len(changed)
                tar.addfile(info, io.BytesIO(changed))


# The library leaves its files to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_webdataset_library_reads_arrays_and_metadata(folder):
    tensors, metadata = made_up_tensors(40, 8), made_up_metadata(40, num_val=8).to_pylist()
    paths = [str(path) for path in sorted(folder.glob("*.tar"))]
    found = list(webdataset.WebDataset(paths, shardshuffle=False, empty_check=False).decode())
    assert len(found) == 40
    for sample, row, number in zip(found, metadata, range(40), strict=True):
        assert sample["__key__"] == f"{row['grid_cell']}_{row['patch_row']}_{row['patch_col']}"
        assert sample["json"] == row
        for column, array in tensors.items():
            assert sample[f"{column}.npy"].dtype == array.dtype
            np.testing.assert_array_equal(sample[f"{column}.npy"], array[number])


def test_the_same_samples_give_the_same_bytes(folder, tmp_path):
    write_tars(tmp_path / "again")
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    with tarfile.open(folder / FIRST) as tar:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar} == {(0, 0, 0, "", "")}


def test_the_record_equals_that_of_parquet_shards_except_the_files(folder, tmp_path):
    write_tars(tmp_path / "parquet", SampleSpec(patch_px=8))
    tars, parquet = (
        json.loads((place / "dataset.json").read_text()) for place in (folder, tmp_path / "parquet")
    )
    assert (tars.pop("format"), parquet.pop("format")) == ("webdataset", "parquet")
    rows = [[entry["rows"] for entry in record.pop("shards")] for record in (tars, parquet)]
    assert rows == [[24, 16], [24, 16]]
    assert tars == parquet


@pytest.mark.parametrize("deep", [False, True])
def test_verify_finds_no_problem_in_undamaged_tars(folder, deep):
    assert verify(folder, deep=deep).problems == ()


def test_tars_may_have_a_few_bands(tmp_path):
    spec = SampleSpec(patch_px=8, bands=("B02", "vv"), format=Format.WEBDATASET)
    write_tars(tmp_path / "few", spec)
    assert verify(tmp_path / "few", deep=True).problems == ()


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (
            lambda name, data: None if name == "0U_0R_0_1.s1.npy" else data,
            "a sample must have the files",
        ),
        (lambda name, data: None if name.startswith("0U_0R_0_1.") else data, "23 rows where"),
        (lambda _, data: data.replace(b'"val"', b'"train"'), "splits {'train': 32, 'val': 8}"),
        (
            lambda _, data: data.replace(b'"0U_0R"', b'"1U_0R"'),
            "metadata of another sample",
        ),
        *(
            (lambda n, d, row=row: row if n.endswith(".json") else d, "0_0.json has no JSON object")
            for row in (b"5", b"null", b'"0U_0R"', b"[]")
        ),
    ],
)
def test_verify_finds_what_is_missing_or_wrong(folder, change, wanted):
    rewrite(folder / FIRST, change)
    assert any(wanted in problem for problem in verify(folder).problems)


def test_verify_finds_a_flipped_bit_and_a_cut_and_a_stray_tar(folder):
    path = folder / FIRST
    data = bytearray(path.read_bytes())
    data[700] ^= 1  # a pixel of the first sample
    path.write_bytes(data)
    assert verify(folder).problems == ()
    deep = verify(folder, deep=True).problems
    assert any("SHA-256" in problem for problem in deep)

    path.write_bytes(data[: len(data) // 2 + 100])
    assert any(FIRST in problem for problem in verify(folder).problems)
    (folder / "other.tar").write_bytes(b"")
    assert "other.tar: dataset.json does not name it" in verify(folder).problems


def test_a_pickle_in_place_of_an_array_is_not_loaded(folder):
    stream = io.BytesIO()
    np.save(stream, np.array([{}], object), allow_pickle=True)
    rewrite(folder / FIRST, lambda n, d: stream.getvalue() if n.endswith("s1.npy") else d)
    problems = verify(folder, deep=True).problems
    assert any("s1 of 0U_0R_0_0 is not a .npy file of int16" in problem for problem in problems)


@pytest.mark.parametrize(
    ("old", "new"), [(b"(2, 8, 8)", b"(2, 8, 8,"), (b"'<i2'", b"'<i4'"), (b"NUMPY", b"NUMPX")]
)
def test_a_header_of_an_array_that_is_damaged_is_found(folder, old, new):
    data = (folder / FIRST).read_bytes()
    assert old in data
    (folder / FIRST).write_bytes(data.replace(old, new, 1))
    problems = verify(folder, deep=True).problems
    assert any("of 0U_0R_0_0 is not a .npy file" in problem for problem in problems)


def test_opening_tars_is_an_error_that_names_the_format(folder):
    with pytest.raises(ShardError, match="has tars.*--format parquet"):
        ShardSet.open(folder)


def test_packed_tars_are_refused():
    with pytest.raises(InputError, match="--codec none or --format parquet"):
        SampleSpec(patch_px=8, codec=Codec.BLOSC2, format=Format.WEBDATASET)


def test_csmoe_train_refuses_tars_in_one_line(folder, tmp_path, capsys):
    assert run(app, ["train", str(folder), "--out", str(tmp_path / "run")]) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"error: expected Parquet shards, but {folder} has tars")
    assert "--format parquet" in line


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_lines_of_the_card_read_a_sample(folder, monkeypatch):
    card = data_card(read_record(folder))
    code = card.split("```python\n")[1].split("```")[0]
    assert "minortom" not in code
    monkeypatch.chdir(folder)
    found = {}
    exec(code, found)
    for column, array in made_up_tensors(40, 8).items():
        np.testing.assert_array_equal(found[column], array[0])
    assert "load_dataset" not in card
