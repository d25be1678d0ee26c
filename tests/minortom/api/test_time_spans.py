import pytest

from minortom.api.time_spans import time_span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (7199, "2 h 0 min"),
    ],
)
def test_a_time_span_is_written_for_people(seconds, text):
    assert time_span(seconds) == text
