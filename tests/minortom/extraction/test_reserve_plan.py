"""Plan of an export with reserves, against counting."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minortom.archive.pairing import Pairs
from minortom.errors import ArchiveError
from minortom.extraction.reserves import ExportPlan
from minortom.extraction.selection import SelectedTiles


def tiles_of(names, strata):
    columns = {"grid_cell": names, "climate": strata, "landcover": strata, "stratum": strata}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


@settings(max_examples=100, deadline=None)
@given(
    chosen=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("ubm")), min_size=1),
    reserves=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("ubm"))),
    seed=st.integers(0, 3),
)
def test_each_stratum_takes_its_first_usable_reserves_until_it_is_full(chosen, reserves, seed):
    """u: usable, b: no valid patch, m: missing. The expected result comes from counting alone."""
    all_tiles = [(f"{i}U_0R", *tile) for i, tile in enumerate([*chosen, *reserves])]
    first, second = all_tiles[: len(chosen)], all_tiles[len(chosen) :]
    there = [cell for cell, _, state in all_tiles if state != "m"]
    black = {cell: "no valid patch" for cell, _, state in all_tiles if state == "b"}
    selection = SelectedTiles(
        chosen=tiles_of([t[0] for t in first], [t[1] for t in first]),
        reserves=tiles_of([t[0] for t in second], [t[1] for t in second]),
    )
    names = ("s2_product_id", "s1_product_id", "s2_timestamp", "s1_timestamp", "dt_days",
             "s2_part", "s2_row", "s1_part", "s1_row")  # fmt: skip
    table = pa.table({"grid_cell": there, **{name: [None] * len(there) for name in names}})
    missing = tuple(cell for cell, _, state in all_tiles if state == "m")
    pairs = Pairs(table=table, without_s2=missing, without_s1=())

    wanted, num_replaced = set(), 0
    for stratum in "abc":
        own = [tile for tile in first if tile[1] == stratum]
        holes = sum(state != "u" for _, _, state in own)
        wanted |= {cell for cell, _, state in own if state != "m"}
        for cell, of_stratum, state in second:
            if holes and of_stratum == stratum and state != "m":
                wanted.add(cell)
                num_replaced += 1
                holes -= state == "u"
    if not wanted:
        with pytest.raises(ArchiveError):
            ExportPlan(selection, pairs, seed=seed, skip_missing=True)
        return

    plan = ExportPlan(selection, pairs, seed=seed, skip_missing=True)
    found, tiles = [], plan.first_round
    while tiles:
        found += [tile.cell for tile in tiles]
        tiles = plan.next_round(tiles, black)
    assert sorted(found) == sorted(wanted)
    assert len(plan.record().get("replaced", [])) == num_replaced
