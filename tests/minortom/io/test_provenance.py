import hashlib
import json
import os

import pytest

from minortom.errors import InputError
from minortom.io import provenance
from minortom.io.provenance import Provenance, run_record, sha256_of
from minortom.io.up_to_date import now


def test_equal_records_are_equal_strings_whatever_the_order_of_options():
    one = Provenance(command="sample", options={"a": 1, "b": 2}, inputs={"x": "1", "y": "2"})
    two = Provenance(command="sample", options={"b": 2, "a": 1}, inputs={"y": "2", "x": "1"})

    assert one.to_json() == two.to_json()


def test_another_seed_is_another_record():
    one = Provenance(command="sample", options={}, seed=0)
    two = Provenance(command="sample", options={}, seed=1)

    assert one.to_json() != two.to_json()


def test_a_file_hashes_to_its_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")

    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_a_renamed_file_changes_its_folders_hash(tmp_path):
    (tmp_path / "one").write_bytes(b"abc")
    before = sha256_of(tmp_path)
    (tmp_path / "one").rename(tmp_path / "two")

    assert sha256_of(tmp_path) != before


def test_a_missing_file_is_a_users_mistake(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*nowhere"):
        sha256_of(tmp_path / "nowhere")


def test_a_path_that_is_not_utf_8_does_not_prevent_a_record(monkeypatch):
    monkeypatch.setattr(provenance.sys, "argv", ["minortom", os.fsdecode(b"caf\xe9")])

    assert json.dumps(run_record(now()), ensure_ascii=False).encode().count(rb"caf\\udce9") == 1


TOKEN = "hf_abcdefghijKLMNOPQRSTuvwxyz01234567"


@pytest.mark.parametrize(
    "words",
    [
        ["minortom", "--token", TOKEN],
        ["minortom", f"--token={TOKEN}"],
        ["minortom", TOKEN],
        ["minortom", "--s2", f"https://me:{TOKEN}@host/x"],
    ],
)
def test_no_secret_reaches_the_run_record(monkeypatch, words):
    monkeypatch.setattr(provenance.sys, "argv", words)

    record = run_record(now())

    assert TOKEN not in json.dumps(record)
    assert "minortom" in record["command_line"]
