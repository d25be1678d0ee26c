import pytest

from minortom.io.schema import (
    PROVENANCE,
    anything,
    count,
    file_name,
    list_of,
    map_of,
    number,
    optional,
    record,
    text,
)

SHARDS = record(
    shards=list_of(record(file=file_name, rows=count, split=optional(text))),
    of=map_of(list_of(number)), more=anything,
)  # fmt: skip
GOOD = {"shards": [{"file": "a.parquet", "rows": 3}], "of": {"s1": [1, 2.5]}, "other": None}


MADE = {"command": "sample", "options": {"a": [1]}, "inputs": {"cells": "ab"}, "seed": 0}


@pytest.mark.parametrize(("schema", "value"), [(SHARDS, GOOD), (PROVENANCE, MADE)])
def test_a_value_of_the_right_types_passes_and_stays_as_it_is(schema, value):
    before = repr(value)
    schema(value, "")
    assert repr(value) == before


def test_provenance_with_a_hash_that_is_no_text_is_refused():
    with pytest.raises(ValueError, match=r"^inputs.cells must be text, found 1$"):
        PROVENANCE(MADE | {"inputs": {"cells": 1}}, "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "the file must be keys and values, found None"),
        ([1], "the file must be keys and values, found list"),
        ({"shards": {}}, "shards must be a list, found dict"),
        ({"shards": [3]}, r"shards\[0\] must be keys and values, found 3"),
        ({"shards": [{"rows": 3}]}, r"shards\[0\].file must be the name of a file .*, found None"),
        ({"shards": [{"file": "../a", "rows": 3}]}, r"without folders, found '../a'"),
        ({"shards": [{"file": "a", "rows": "3"}]}, r"rows must be a whole number of at least 0"),
        ({"shards": [{"file": "a", "rows": True}]}, "rows must be a whole number .*, found True"),
        ({"shards": [{"file": "a", "rows": -1}]}, "found -1"),
        ({"shards": [{"file": "a", "rows": 1, "split": 3}]}, "split must be text, found 3"),
        ({"of": {"s1": [1, "x"]}}, r"of.s1\[1\] must be a number, found 'x'"),
        ({"of": {3: []}}, "of must be keys of text, found 3"),
        ({"of": {"s1": [False]}}, "must be a number, found False"),
    ],
)
def test_a_wrong_type_is_named_with_its_place(change, message):
    with pytest.raises(ValueError, match=message):
        SHARDS({**GOOD, **change} if isinstance(change, dict) else change, "")


def test_a_long_value_is_cut():
    with pytest.raises(ValueError, match="found 'xxx") as caught:
        count("x" * 10_000, "rows")
    assert len(str(caught.value)) < 200
