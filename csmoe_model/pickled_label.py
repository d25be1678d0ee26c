"""A label out of a pickle that is never unpickled: its words are read, and none is obeyed."""

import ast
import pickletools
from itertools import pairwise
from pathlib import Path

from minortom.errors import InputError

_KEY = "label"


def pickled_label(text: str, path: Path) -> int:
    """Read the whole number under the key `label` of a pickled dictionary.

    Args:
        text: The pickle as GEO-Bench keeps it in an HDF5 file: a Python literal of bytes.
        path: Where it is from.

    Raises:
        InputError: If there is not one such number.
    """
    try:
        pickled = ast.literal_eval(text)
        words = [(code.name, value) for code, value, _ in pickletools.genops(pickled)]
    except (ValueError, SyntaxError, TypeError, AttributeError):
        words = []
    # Memos stand between a key and its value, and mean nothing here.
    words = [word for word in words if word[0] not in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT")]
    found = [value for (_, key), (_, value) in pairwise(words) if key == _KEY]
    if len(found) != 1 or not isinstance(found[0], int):
        raise InputError(f"{path} tells no label; wanted a file of GEO-Bench v1; get the set again")
    return found[0]
