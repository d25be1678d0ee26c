"""Rows of the archives for each cell: paired here, or the products that the selection names."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from minortom.archive.archive import Archive, part_of, published_names
from minortom.archive.pairing import Pairs, find_pairs
from minortom.errors import ArchiveError
from minortom.extraction.selection import PRODUCT_KINDS, SelectedTiles

_Place = tuple[str, int]
"""File name of a part, and the row in it."""


def pairs_of(tiles: SelectedTiles, archives: tuple[Archive, Archive]) -> Pairs:
    """Find the pair of products of each selected tile and reserve.

    A selection from an annotated archive names its products, and only those are used. Filters of
    the user (clouds, days between the sensors, a season) then still hold. Products are looked up by
    their ids, so that a copy of the archive with other parts can be used, too.

    Raises:
        ArchiveError: If metadata cannot be read, or no pair is in both archives.
    """
    if not tiles.names_products:
        return find_pairs(*archives, tiles.cells)
    names = ["grid_cell", *PRODUCT_KINDS]
    rows = [*tiles.chosen.select(names).to_pylist(), *tiles.reserves.select(names).to_pylist()]
    missing: dict[str, list[str]] = {"s2": [], "s1": []}
    for archive in archives:
        places = _places(archive, rows)
        for row in rows:
            _look_up(row, archive.sensor, places, missing[archive.sensor])
    without = {cell for cells in missing.values() for cell in cells}
    found = [row for row in rows if row["grid_cell"] not in without]
    if not found:
        raise ArchiveError(
            f"the archives must have products that the selection names, found none of "
            f"{len(rows):,} pairs: {len(missing['s2']):,} are missing from Sentinel-2 and "
            f"{len(missing['s1']):,} from Sentinel-1; give the archives that were annotated"
        )
    fields = {"grid_cell": pa.string(), **PRODUCT_KINDS}
    only_s1 = set(missing["s1"]) - set(missing["s2"])
    return Pairs(
        table=pa.Table.from_pylist(found, schema=pa.schema(list(fields.items()))),
        without_s2=tuple(missing["s2"]),
        without_s1=tuple(cell for cell in missing["s1"] if cell in only_s1),
    )


def _places(archive: Archive, rows: list[dict[str, Any]]) -> dict[tuple[str, str], list[_Place]]:
    """Find the parts and rows of each cell and product, in order."""
    cells = [row["grid_cell"] for row in rows]
    # All names that the archive can use for these cells, and a few more.
    names = pa.array([*cells, *(f"{cell[:-1]}R" for cell in cells)], pa.string())
    products = pa.array([row[f"{archive.sensor}_product_id"] for row in rows], pa.string())
    wanted = pc.field("grid_cell").isin(names) & pc.field("product_id").isin(products)
    for name in ("parquet_url", "parquet_row"):
        wanted &= pc.field(name).is_valid()
    columns = ["grid_cell", "product_id", "parquet_url", "parquet_row"]
    try:
        table = pq.read_table(archive.metadata_path, columns=columns, filters=wanted)
        lists = [table[name].to_pylist() for name in columns[:3]]
        numbers = table["parquet_row"].cast(pa.int64()).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise archive.unreadable(error) from None
    places: dict[tuple[str, str], list[_Place]] = {}
    for cell, product, url, number in zip(*lists, numbers, strict=True):
        places.setdefault((cell, product), []).append((part_of(url), number))
    return {key: sorted(found) for key, found in places.items()}


def _look_up(
    row: dict[str, Any],
    sensor: str,
    places: Mapping[tuple[str, str], list[_Place]],
    missing: list[str],
) -> None:
    """Write part and row of its product into a row; an archive can have a product twice."""
    cell, product = row["grid_cell"], row[f"{sensor}_product_id"]
    found = places.get((cell, product))
    if found is None:
        others = (places.get((name, product)) for name in published_names(cell))
        found = next(filter(None, others), None)
    if found is None:
        missing.append(cell)
        return
    named = (row[f"{sensor}_part"], row[f"{sensor}_row"])
    row[f"{sensor}_part"], row[f"{sensor}_row"] = named if named in found else found[0]
