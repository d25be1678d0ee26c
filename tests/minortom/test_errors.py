"""Errors that a user can correct have messages of one line."""

import pytest

from minortom.errors import InputError, MinorTomError


@pytest.mark.parametrize("kind", [MinorTomError, InputError])
def test_a_message_that_quotes_several_lines_is_one_line(kind):
    assert str(kind("found a table\nx: int64\r\nthe end")) == "found a table x: int64 the end"
