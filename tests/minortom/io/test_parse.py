import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from minortom.io.parse import parse_json
from minortom.io.parse_yaml import parse_yaml

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="ascii")),
    lambda inside: st.lists(inside) | st.dictionaries(st.text("abc", min_size=1), inside),
    max_leaves=20,
)


@given(VALUES)
def test_values_are_those_of_the_libraries(value):
    assert parse_json(json.dumps(value)) == value
    assert parse_yaml(yaml.safe_dump(value)) == value


@pytest.mark.parametrize("depth", [201, 990, 50_000])
@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_a_value_error(parse, left, right, depth):
    with pytest.raises(ValueError, match="nested more than 200 levels deep"):
        parse(left * depth + "1" + right * depth)


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_nesting_that_our_files_may_have_is_read(parse):
    assert parse("[" * 100 + "]" * 100)


@pytest.mark.parametrize(
    "text",
    ["a: b: c", "{", "? [a]\n: {[b]: c}", "2020-13-45", '!!int ""', '!!float ""', "!!bool x",
     "!!timestamp x", "!!python/object/apply:os.system [ls]", "&a [*b]", "a: 1\na: 2", "!!set [a]",
     "\x00", "<<: 3", "!!map 3", "!!omap 3"],
)  # fmt: skip
def test_text_that_is_no_value_is_a_value_error_of_one_line(text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any message
        parse_yaml(text)
    assert "\n" not in str(caught.value)


def test_a_key_may_replace_that_of_a_merge_and_numbers_are_no_text():
    text = 'base: &base {lr: 1, steps: 2}\nrun: {<<: *base, lr: 3}\ncodes: {7: a, "7": b}'
    found = parse_yaml(text)
    assert found["run"] == {"lr": 3, "steps": 2}
    assert found["codes"] == {7: "a", "7": "b"}
    with pytest.raises(ValueError, match="the key 7 occurs twice"):
        parse_yaml("{7: a, 0x7: b}")


def test_a_value_with_many_aliases_or_with_itself_is_no_hang():
    laughs = "a: &a [x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n"
        for old, new in zip("abcdefghijklmno", "bcdefghijklmnop", strict=True)
    )
    assert len(parse_yaml(laughs)) == 16
    for text in ("&a {a: *a}", "&a [*a]", "&a {a: [*a]}"):
        with pytest.raises(ValueError, match="recursive"):
            parse_yaml(text)
