"""Names of cells in tables of others: those of the grid, and those of the Major TOM index.

The index of cells names a cell ``MT10km_0922D_0249L``: the grid, then row and column with four
digits. Our name of the same cell is ``922D_249L``.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from minortom.errors import InputError
from minortom.grid.cells import Cells, cells_from_names, exist, without_alias

_PREFIX = b"MT10km_"
_EXAMPLE = b"MT10km_0922D_0249L"
_DIGITS = {"row": slice(7, 11), "col": slice(13, 17)}
_ROW_LETTER, _SEPARATOR, _COL_LETTER = 11, 12, 17
_ZERO, _TENS = ord("0"), np.array([1000, 100, 10, 1])


def cells_of_table(names: pa.Array) -> Cells:
    """Parse [n] names such as ``922D_249L``, or all such as ``MT10km_0922D_0249L``.

    Args:
        names: Text without nulls.

    Raises:
        InputError: If a name is not the name of a cell.
    """
    if len(names) and names[0].as_py().startswith(_PREFIX.decode()):
        return _cells_of_index(names)
    return cells_from_names(pa.chunked_array([names]))


def _cells_of_index(names: pa.Array) -> Cells:
    names = names.cast(pa.large_string())
    is_long = pc.equal(pc.binary_length(names), len(_EXAMPLE))
    if not pc.all(is_long).as_py():
        raise _bad_name(names, is_long)
    first = int(np.frombuffer(names.buffers()[1], np.int64)[names.offset])
    size = len(names) * len(_EXAMPLE)
    letters = np.frombuffer(names.buffers()[2], np.uint8, size, first).reshape(-1, len(_EXAMPLE))
    fits = (letters[:, : len(_PREFIX)] == np.frombuffer(_PREFIX, np.uint8)).all(axis=1)
    fits &= letters[:, _SEPARATOR] == ord("_")
    numbers = {}
    for name, place in _DIGITS.items():
        digits = letters[:, place] - np.uint8(_ZERO)  # below "0" they wrap round, above 9
        fits &= (digits <= 9).all(axis=1)
        numbers[name] = digits.astype(np.int64) @ _TENS
    for name, at, letter, mirrored in (
        ("row", _ROW_LETTER, b"U", b"D"), ("col", _COL_LETTER, b"R", b"L"),
    ):  # fmt: skip
        is_mirrored = letters[:, at] == mirrored[0]
        fits &= is_mirrored | (letters[:, at] == letter[0])
        fits &= ~is_mirrored | (numbers[name] > 0)
        numbers[name] = np.where(is_mirrored, -numbers[name], numbers[name])
    row, col = numbers["row"], without_alias(numbers["row"], numbers["col"])
    fits &= exist(row, col)
    if not fits.all():
        raise _bad_name(names, pa.array(fits))
    return Cells(row=row, col=col)


def _bad_name(names: pa.Array, fits: pa.Array) -> InputError:
    bad = names.filter(pc.invert(fits))
    return InputError(
        f"expected names of cells of the Major TOM index, such as {_EXAMPLE.decode()}, found "
        f"{len(bad):,} of {len(names):,} names that are not, first {str(bad[0].as_py())[:40]!r}"
    )
