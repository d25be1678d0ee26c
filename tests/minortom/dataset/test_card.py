import json

import pytest
import yaml
from markdown_reader import HOSTILE, PARSER, hostile, inlines, outline
from shard_maker import write_made_up_shards

from minortom.dataset.card import data_card
from minortom.dataset.croissant import croissant_record
from minortom.io.provenance import KEY
from minortom.shards.record import read_record


@pytest.fixture
def record(tmp_path):
    write_made_up_shards(tmp_path / "shards", num_val=5, rows_per_shard=10, num_patches=20)
    found = read_record(tmp_path / "shards")
    found[KEY] = found[KEY] | {
        "options": {"patch": 120, "name": "a", "bbox": [1, 2]},
        "inputs": {"cells": "ab" * 32},
        "licences": ["Map (CC-BY-4.0): made here"],
    }
    return found


MAJOR_TOM = "Major TOM Core: CC-BY-SA-4.0, contains modified Copernicus Sentinel data"
MADE_UP = "made up by minortom demo (CC0-1.0): no real place"


@pytest.mark.parametrize(
    ("licences", "licence", "is_cited"),
    [
        ([], "cc-by-sa-4.0", True),
        ([MAJOR_TOM], "cc-by-sa-4.0", True),
        ([MAJOR_TOM, MADE_UP], "cc-by-sa-4.0", True),  # real pixels, or synthetic maps alone
        ([MADE_UP], "cc0-1.0", False),
        ([MADE_UP, "Map (CC-BY-4.0): made here"], "cc0-1.0", False),
    ],
)
def test_the_licences_of_the_pixels_decide_licence_and_citation(
    record, licences, licence, is_cited
):
    record[KEY]["licences"] = licences
    card = data_card(record)
    croissant = croissant_record(record, name="x", url="https://example.org/x")

    header = yaml.safe_load(card.split("---\n")[1])
    assert header["license"] == licence
    assert ("major-tom" in header["tags"]) == is_cited
    assert ("Attribution: contains modified Copernicus Sentinel data." in card) == is_cited
    assert ("\n## Cite\n\n- Francis, A." in card) == is_cited
    assert ("by-sa" in str(croissant["license"])) == is_cited
    assert str(croissant.get("citeAs", "")).startswith("Francis") == is_cited


REPORT = [{"set": "full", "tiles": 20, "nn_km": 1.5}, {"set": "selection", "tiles": 10}]


def test_text_of_others_adds_no_markup_to_a_card(record):
    odd = dict(record)
    odd[KEY] = {key: hostile(value) for key, value in record[KEY].items()}
    odd["splits"] = {f"{name} {HOSTILE}": count for name, count in record["splits"].items()}
    odd["shards"] = [
        entry | {"file": f"{entry['file']} {HOSTILE}", "split": f"train {HOSTILE}"}
        for entry in record["shards"]
    ]
    odd["export"] = {"tiles": 3}
    report = [row | {"set": f"{row['set']} {HOSTILE}"} for row in REPORT]

    plain = data_card(record, place="shards", picture="map.png", report=REPORT)
    card = data_card(odd, place=f"shards {HOSTILE}", picture="map.png", report=report)

    # The front matter is YAML, which a parser of Markdown does not know.
    front, body = card.split("\n---\n", 1)
    assert outline(body) == outline(plain.split("\n---\n", 1)[1])
    texts = [token.content for token in inlines(body) if token.type == "text"]
    assert not any("<script>" in token.content for token in inlines(body) if "html" in token.type)
    assert any("<script>alert(1)</script>" in text for text in texts)
    assert "\n# Heading" not in front and "\n# Heading" not in body


def test_the_example_of_a_card_is_python_whatever_the_files_are_called(record):
    odd = record | {"shards": [e | {"file": f'a"b\n{HOSTILE}'} for e in record["shards"]]}
    card = data_card(odd, place='a"b')
    blocks = [token.content for token in PARSER.parse(card) if token.type == "fence"]
    assert len(blocks) == 2
    for block in blocks:
        compile(block, "card", "exec")
    assert f"load_dataset({json.dumps(chr(97) + chr(34) + 'b')}," in blocks[1]
