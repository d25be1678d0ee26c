"""The error message of a command on stderr."""

import json


def one_line(text):
    """The only line of an error."""
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("error: ")
    return lines[0]


def json_error(text):
    """The message of an error under `--json`, which is the only line."""
    (line,) = text.strip().splitlines()
    found = json.loads(line)
    assert sorted(found) == ["error", "exit_code"]
    return found["error"]
