"""Names that people give to the columns of latitude and longitude."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

_NAMES = {
    "lat": ("lat", "latitude"),
    "lon": ("lon", "long", "lng", "longitude"),
}


def coordinate_names(present: Sequence[str]) -> Mapping[str, str]:
    """Return the column of each coordinate that a table has, by its own name ``lat`` or ``lon``.

    Capitals and blanks do not matter. A column that is called exactly ``lat`` or ``lon`` comes
    first; of several others none is taken.
    """
    found = {}
    for own, names in _NAMES.items():
        others = [name for name in present if name.strip().casefold() in names]
        if own in present or len(others) == 1:
            found[own] = own if own in present else others[0]
    return found


def with_coordinates(table: pa.Table) -> pa.Table:
    """Return a table whose coordinates have the names ``lat`` and ``lon``, where it has them."""
    own = {name: key for key, name in coordinate_names(table.column_names).items()}
    return table.rename_columns([own.get(name, name) for name in table.column_names])
