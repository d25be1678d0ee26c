"""A published data set is read by datasets, by Croissant and by the lines of its card."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import yaml
from hub_server import HubHandler
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors
from web_server import serving

from minortom.dataset.publish import write_preview
from minortom.dataset.upload import upload
from minortom.sensors import GROUPS
from minortom.shards.formats import Codec
from minortom.shards.layout import SampleSpec
from minortom.shards.writer import write_shards

REPO = "someone/minor-tom"

# Of huggingface_hub about its own client, where it sends a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def write(out, **options):
    """Write 12 patches, of which 4 are for validation, in shards of a split each; all end in 0."""
    spec = SampleSpec(patch_px=8, **options)
    tensors = {
        group.column: made_up_tensors(12, 8)[group.column][:, : len(group.bands)]
        for group in spec.groups
    }
    for array in tensors.values():
        array[:, -1] = 0  # the last band: a value's last bytes
    write_shards(
        out, tensors=tensors, metadata=made_up_metadata(12, num_val=4), provenance=PROVENANCE,
        rows_per_shard=4, spec=spec,
    )  # fmt: skip
    return tensors


STREAM = """
import sys
from datasets import get_dataset_split_names, load_dataset
from minortom.shards import decode
place = sys.argv[1]
for split in get_dataset_split_names(place):
    rows = load_dataset(place, split=split, streaming=True)
    raw = next(iter(rows))
    assert all(isinstance(raw[name], bytes) for name in ("s2_10m", "s2_20m", "s1")), raw
    for row in rows.map(decode):
        assert row["split"] == split
        print(split, row["s2_product_id"], row["s1"].shape, row["s1"].dtype, row["s1"].sum(),
              row["s1_bands"], row["s2_10m"].sum(), row["s2_20m_unit"])
"""


def streamed(place, tmp_path, **environment):
    """Run it in a process of its own: the library keeps a cache and reads its settings once."""
    environment |= {
        "HF_HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"],
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1",
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", STREAM, str(place)],
        capture_output=True, text=True, env=environment, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def expected(tensors):
    return [
        f"{split} s2-{n} (2, 8, 8) int16 {tensors['s1'][n].sum()} ['vv', 'vh'] "
        f"{tensors['s2_10m'][n].sum()} surface reflectance"
        for split, numbers in (("train", range(4, 12)), ("val", range(4)))
        for n in numbers
    ]


def test_datasets_streams_a_published_set_by_split_and_zeros_at_the_end_survive(
    tmp_path, monkeypatch
):
    pytest.importorskip("datasets")
    tensors = write(tmp_path / "shards")
    (tmp_path / "web").mkdir()
    with serving(tmp_path / "web", handler=HubHandler) as hub:
        hub.stand_for_the_hub(monkeypatch, tmp_path / "mine")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        upload(tmp_path / "shards", REPO, token="-")
        assert streamed(REPO, tmp_path, HF_ENDPOINT=hub.url) == expected(tensors)


def test_datasets_streams_a_folder_with_its_card_the_same(tmp_path):
    pytest.importorskip("datasets")
    tensors = write(tmp_path / "shards")
    write_preview(tmp_path / "shards", REPO, tmp_path / "card")
    (tmp_path / "card" / "README.md").rename(tmp_path / "shards" / "README.md")
    found = streamed(tmp_path / "shards", tmp_path, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    assert found == expected(tensors)


def read_by_the_card(folder, card, monkeypatch):
    code, _ = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert "minortom" not in code
    monkeypatch.chdir(folder)
    names = {}
    exec(code, names)
    return names


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.BLOSC2])
def test_the_card_s_first_lines_read_a_sample_without_minortom(tmp_path, monkeypatch, codec):
    if codec == Codec.BLOSC2:
        pytest.importorskip("blosc2")
    tensors = write(tmp_path / "shards", codec=codec, bands=("B02", "B04", "B11", "vv"))
    write_preview(tmp_path / "shards", REPO, tmp_path / "card")
    card = (tmp_path / "card" / "README.md").read_text()
    names = read_by_the_card(tmp_path / "shards", card, monkeypatch)
    for column, array in tensors.items():
        np.testing.assert_array_equal(names[column], array[0])
    told = json.loads(re.search(r"fn_kwargs=(\{.*?\})", card)[1])
    assert told["bands"] == ["B02", "B04", "B11", "vv"]
    assert told.get("codec") == (None if codec == Codec.NONE else "blosc2")
    assert ("compressed with Blosc2" in card) == (codec == Codec.BLOSC2)


def test_the_card_s_header_names_licence_size_and_the_files_of_each_split(tmp_path):
    write(tmp_path / "shards")
    write_preview(tmp_path / "shards", REPO, tmp_path / "card")
    card = (tmp_path / "card" / "README.md").read_text()
    header = yaml.safe_load(card.split("---\n")[1])
    assert (header["license"], header["size_categories"]) == ("cc-by-sa-4.0", ["n<1K"])
    names = [f"shard-0000{number}-of-00003.parquet" for number in range(3)]
    assert header["configs"][0]["data_files"] == [
        {"split": "train", "path": names[1:]}, {"split": "val", "path": names[:1]},
    ]  # fmt: skip
    assert "| val | 4 |" in card
    assert "![Map of the tiles](map.png)" in card


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of rdflib, which mlcroissant uses
def test_croissant_validates_and_yields_the_records_of_a_folder(tmp_path):
    mlcroissant = pytest.importorskip("mlcroissant")
    tensors = write(tmp_path / "shards")
    write_preview(tmp_path / "shards", REPO, tmp_path / "card")
    described = mlcroissant.Dataset(
        jsonld=tmp_path / "card" / "croissant.json",
        mapping={"repository": str(tmp_path / "shards")},
    )
    assert not described.metadata.ctx.issues.errors
    assert described.metadata.ctx.is_v1_1()
    rows = {row["patches/s2_product_id"]: row for row in described.records("patches")}
    assert len(rows) == 12
    for number in range(12):
        row = rows[f"s2-{number}".encode()]
        for group in GROUPS:
            assert row[f"patches/{group.column}"] == tensors[group.column][number].tobytes()


def test_croissant_states_splits_provenance_and_conditions_of_use(tmp_path):
    write(tmp_path / "shards")
    write_preview(tmp_path / "shards", REPO, tmp_path / "card")
    told = json.loads((tmp_path / "card" / "croissant.json").read_text())
    assert told["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    patches, splits = told["recordSet"]
    meanings = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit"}
    assert {row["splits/name"]: row["splits/url"] for row in splits["data"]} == meanings
    [of_split] = [field for field in patches["field"] if field["name"] == "split"]
    assert of_split["references"] == {"field": {"@id": "splits/name"}}
    assert [work["text"] for work in told["usageInfo"]] == list(PROVENANCE.licences)
    assert told["prov:wasGeneratedBy"]["prov:label"] == f"minortom {PROVENANCE.command}"
    derived = {one["prov:label"]: one["sha256"] for one in told["prov:wasDerivedFrom"]}
    assert derived == PROVENANCE.inputs


def test_croissant_has_the_hash_of_each_shard(tmp_path):
    write(tmp_path / "shards")
    write_preview(tmp_path / "shards", REPO, tmp_path / "card")
    told = json.loads((tmp_path / "card" / "croissant.json").read_text())["distribution"]
    record = json.loads((tmp_path / "shards" / "dataset.json").read_text())
    for entry in record["shards"]:
        [file] = [item for item in told if item["@id"] == entry["file"]]
        assert file["sha256"] == entry["sha256"]
