import pytest

from minortom.errors import RemoteError
from minortom.remote import byte_ranges
from minortom.remote.byte_ranges import read_range

FILE = bytes(range(100))


class Answer:
    """An answer 206 with some headers."""

    status_code = 206

    def __init__(self, body, headers):
        self.body, self.headers = body, headers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def iter_content(self, _):
        yield self.body


@pytest.fixture
def answer(monkeypatch):
    """Return a function that sets the next answer."""

    def give(headers, body=FILE[10:20]):
        monkeypatch.setattr(byte_ranges, "send_request", lambda *_, **__: Answer(body, headers))
        monkeypatch.setattr("time.sleep", lambda _: None)

    return give


@pytest.mark.parametrize("length", [{}, {"Content-Length": "ten"}, {"Content-Length": "10"}])
def test_a_range_is_read_without_a_length_that_is_a_number(answer, length):
    answer({"Content-Range": "bytes 10-19/100", **length})
    assert read_range(None, "http://a/b", 10, 20) == (FILE[10:20], 100)


@pytest.mark.parametrize("text", ["bytes */100", "10-19/100", "bytes ten-twenty/100"])
@pytest.mark.parametrize("length", [{}, {"Content-Length": "²"}, {"Content-Length": "-5"}])
def test_a_range_of_unknown_length_is_one_line(answer, text, length):
    answer({"Content-Range": text, **length})
    with pytest.raises(RemoteError, match="http://a/b: the server does not say how many bytes"):
        read_range(None, "http://a/b?sig=secret", 10, 20)


def test_a_body_that_is_too_short_by_its_range_is_not_taken(answer):
    answer({"Content-Range": "bytes 10-19/100"}, FILE[10:13])
    with pytest.raises(RemoteError, match="the connection was cut"):
        read_range(None, "http://a/b", 10, 20)
