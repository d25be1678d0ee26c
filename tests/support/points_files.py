"""Tables of points as GeoParquet files, for tests."""

from minortom.io.geoparquet import points_table, write_table


def write_points(table, path, provenance, *, more=None):
    """Write a table with ``lat`` and ``lon`` (degrees) as GeoParquet."""
    write_table(points_table(table, provenance, more=more), path)
