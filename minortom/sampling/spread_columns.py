"""The values of the columns of ``--spread-over``: numbers, their logarithms, and embeddings."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.io.table_columns import is_number, is_vector
from minortom.sampling.spread_parts import OPTION, SpreadPart

_FITTED = 100_000  # maximum number of rows, at even steps, that the principal components come from
_BLOCK = 50_000  # rows that are projected at a time

FloatArray = NDArray[np.floating]


def column_values(table: pa.Table, part: SpreadPart, components: int | None) -> FloatArray:
    """Return the values of a column [n, d] at all tiles; d is 1 for numbers.

    Args:
        table: The annotated tiles.
        part: The column, which may be a logarithm.
        components: Principal components of an embedding; None means all of its coordinates.

    Raises:
        InputError: If the column is missing, has other values than numbers or embeddings of one
            width, has an empty value, or has no logarithm.
    """
    if part.name not in table.column_names:
        raise InputError(
            f"{OPTION} {part.label}: column not found; the columns are "
            f"{', '.join(table.column_names)}"
        )
    column = table[part.name]
    if is_number(column.type):
        values: FloatArray = column.cast(pa.float64(), safe=False).to_numpy()[:, None]
    elif is_vector(column.type) and not part.log:
        values = _vectors(column, part)
    else:
        expected = "numbers" if part.log else "numbers, or embeddings (lists of numbers)"
        raise InputError(
            f"{OPTION} {part.label}: expected a column of {expected}, found {column.type}; choose "
            "another column, or form strata by it with --stratify-by"
        )
    missing = int((~np.isfinite(values).all(axis=1)).sum())
    if missing:
        raise InputError(
            f"{OPTION} {part.label}: every tile must have a value, found {missing:,} of "
            f"{len(values):,} without; remove these tiles from the annotated file, or fill in "
            "their values"
        )
    if part.log:
        return _logarithms(values, part)
    if components is not None and values.shape[1] > components:
        return principal_components(values, components)
    return values


def _logarithms(values: FloatArray, part: SpreadPart) -> FloatArray:
    num_low = int((values <= 0).sum())
    if num_low:
        raise InputError(
            f"{OPTION} {part.label}: a logarithm needs values above 0, found {num_low:,} of "
            f"{len(values):,} at or below 0; add a column with a transformed value to the "
            f"annotated file, such as log(1 + {part.name}), and name it without log:"
        )
    return np.log(values)


def _vectors(column: pa.ChunkedArray, part: SpreadPart) -> FloatArray:
    """Return a column of lists as [n, d]; NaN in a row without a list."""
    widths = pc.unique(pc.drop_null(pc.list_value_length(column))).to_pylist()
    if len(widths) != 1 or not widths[0]:
        shown = ", ".join(str(width) for width in sorted(widths)[:3])
        raise InputError(
            f"{OPTION} {part.label}: expected embeddings of one width, found "
            f"{shown or 'no embedding'}; give each tile a vector of the same model"
        )
    values = np.full((len(column), widths[0]), np.nan, np.float32)
    start = 0
    for chunk in column.chunks:
        filled = chunk.drop_null()
        flat = filled.flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)
        here = start + np.flatnonzero(chunk.is_valid().to_numpy(zero_copy_only=False))
        values[here] = flat.reshape(-1, widths[0])
        start += len(chunk)
    return values


def principal_components(values: FloatArray, count: int) -> FloatArray:
    """Return the first principal components [n, count] of vectors [n, d].

    They come from at most 100,000 of the rows, at even steps.
    """
    some = values[:: -(-len(values) // _FITTED)].astype(np.float64)
    centre = some.mean(axis=0)
    some -= centre
    axes = np.linalg.eigh(some.T @ some)[1][:, : -count - 1 : -1]  # ascending eigenvalues
    found = np.empty((len(values), count), np.float32)
    for start in range(0, len(values), _BLOCK):
        found[start : start + _BLOCK] = (values[start : start + _BLOCK] - centre) @ axes
    return found
