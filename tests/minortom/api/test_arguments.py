import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from minortom.api.arguments import (
    finite_number,
    flag,
    keep_whole,
    number,
    one_of,
    path_of,
    several,
    whole_number,
)
from minortom.errors import InputError


def test_values_of_the_right_kind_become_plain_python():
    assert (whole_number("n", np.int64(3), minimum=1), number("x", np.float32(0.5))) == (3, 0.5)
    assert type(whole_number("n", np.int64(3), minimum=1)) is int
    assert (number("x", 2), one_of("m", "a", ["a", "b"])) == (2.0, "a")
    assert path_of("out", "a/b") == path_of("out", Path("a/b")) == Path("a/b")
    assert flag("f", np.True_) is True
    assert flag("f", False) is False
    assert several("m", None, expected="x") == []
    assert several("m", "a", expected="x") == several("m", ("a",), expected="x") == ["a"]


@dataclass(frozen=True)
class Sizes:
    """Whole numbers."""

    rows: int
    columns: int | None = None

    def __post_init__(self) -> None:
        keep_whole(self, {"rows": 1, "columns": 2})


def test_whole_numbers_of_a_dataclass_become_plain_python():
    assert json.dumps(asdict(Sizes(np.int64(3)))) == '{"rows": 3, "columns": null}'
    with pytest.raises(InputError, match="columns must be a whole number of at least 2, found 1"):
        Sizes(1, 1)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: whole_number("n", "100", minimum=1),
         "n must be a whole number of at least 1, found '100'"),
        (lambda: whole_number("n", 0, minimum=1),
         "n must be a whole number of at least 1, found 0"),
        (lambda: whole_number("n", True, minimum=0),
         "n must be a whole number of at least 0, found True"),
        (lambda: whole_number("n", 2.0, minimum=0),
         "n must be a whole number of at least 0, found 2.0"),
        (lambda: number("x", "0.5"), "x must be a number, found '0.5'"),
        (lambda: number("x", [1]), "x must be a number, found list"),
        (lambda: finite_number("x", "1"), "x must be a number, found '1'"),
        (lambda: finite_number("x", np.inf), "x must be a finite number, found inf"),
        (lambda: finite_number("x", np.nan), "x must be a finite number, found nan"),
        (lambda: one_of("m", "c", ["a", "b"]), "m must be one of a, b, found 'c'"),
        (lambda: one_of("m", ["a"], ["a", "b"]), "m must be one of a, b, found list"),
        (lambda: one_of("m", np.array([1, 2]), ["a", "b"]),
         "m must be one of a, b, found ndarray"),
        (lambda: path_of("out", 3), "out must be a path (str or Path), found 3"),
        (lambda: path_of("out", "a\0b"),
         r"out must be a path without null characters, found 'a\x00b'"),
        (lambda: flag("f", "no"), "f must be True or False, found 'no'"),
        (lambda: flag("f", None), "f must be True or False, found None"),
        (lambda: flag("f", np.array([True])), "f must be True or False, found ndarray"),
        (lambda: several("m", 3, expected="a path"),
         "m must be a path, or a sequence of these, found 3"),
        (lambda: several("m", b"a", expected="a path"),
         "m must be a path, or a sequence of these, found b'a'"),
    ],
)  # fmt: skip
def test_another_kind_is_an_error_that_says_what_was_expected(check, message):
    with pytest.raises(InputError) as error:
        check()
    assert str(error.value) == message
