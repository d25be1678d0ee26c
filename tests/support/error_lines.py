"""The error message of a command on stderr."""


def one_line(text):
    """The only line of an error."""
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("error: ")
    return lines[0]
