"""One tile's way through an export: read, cut, counted; and many tiles' patches mixed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from minortom.archive.archive import Archive
from minortom.engine.shared_memory import Layout, Slot, WithSlots
from minortom.errors import ArchiveError
from minortom.extraction.options import ExportOptions
from minortom.extraction.patches import TilePatches, cut_tile
from minortom.extraction.plan import PlannedTile, patch_key
from minortom.shards.layout import METADATA_SCHEMA, ROW_GROUP_ROWS, SampleSpec
from minortom.shards.statistics import BandSums
from minortom.shards.writer import ShardWriter


@dataclass(frozen=True, kw_only=True, eq=False)
class TileOutcome:
    """What became of a tile: its patches, or why there are none."""

    tile: PlannedTile
    patches: TilePatches | None
    sums: BandSums
    """Of its pixels, if it is in the ``train`` split."""
    failure: str = ""

    @property
    def num_patches(self) -> int:
        """How many of them are valid."""
        return 0 if self.patches is None else len(self.patches.patch_row)


@dataclass(kw_only=True)
class Tally:
    """What was found in many tiles."""

    tiles: int = 0
    """Tiles with at least one valid patch."""
    patches: int = 0
    tiles_without_valid_patch: int = 0
    patches_dropped: int = 0
    """Patches of readable tiles with more invalid pixels than wanted."""
    patches_cloudy: int = 0
    """Other patches with more cloud than wanted."""
    patches_filled: int = 0
    """Patches with invalid pixels, which were filled."""
    tiles_warped: int = 0
    """Tiles whose Sentinel-1 lay on another grid."""
    tiles_of_unknown_baseline: int = 0
    """Nothing was subtracted from these."""
    tiles_of_doubtful_offset: list[str] = field(default_factory=list)
    """Cells whose values contradict what was subtracted from them."""
    tiles_unreadable: dict[str, str] = field(default_factory=dict)
    """Cells and why."""

    def add_outcome(self, outcome: TileOutcome) -> None:
        """Count one tile."""
        patches, cell = outcome.patches, outcome.tile.cell
        if patches is None:
            self.tiles_unreadable[cell] = outcome.failure
            return
        num_patches = outcome.num_patches
        self.tiles += num_patches > 0
        self.patches += num_patches
        self.tiles_without_valid_patch += num_patches == 0
        self.patches_dropped += patches.num_dropped
        self.patches_cloudy += patches.num_cloudy
        self.patches_filled += int(np.sum((patches.s2_invalid > 0) | (patches.s1_invalid > 0)))
        self.tiles_warped += patches.s1_warped
        self.tiles_of_unknown_baseline += not patches.baseline_known
        if patches.offset_doubtful:
            self.tiles_of_doubtful_offset.append(cell)

    def add(self, other: "Tally") -> None:
        """Take in what another one counted."""
        for name in ("tiles", "patches", "tiles_without_valid_patch", "patches_dropped",
                     "patches_cloudy", "patches_filled", "tiles_warped",
                     "tiles_of_unknown_baseline"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.tiles_of_doubtful_offset.extend(other.tiles_of_doubtful_offset)
        self.tiles_unreadable.update(other.tiles_unreadable)


def export_tile(
    tile: PlannedTile, *, s2: Archive, s1: Archive, options: ExportOptions
) -> TileOutcome:
    """Read one tile of both archives and cut it; a tile that cannot be read is no error."""
    sums = BandSums()
    try:
        patches = cut_tile(
            s2.read_tile(
                tile.s2_part,
                tile.s2_row,
                bands=options.bands_read("s2"),
                cell=tile.cell,
                product_id=tile.s2_product_id,
            ),
            s1.read_tile(
                tile.s1_part,
                tile.s1_row,
                bands=options.bands_read("s1"),
                cell=tile.cell,
                product_id=tile.s1_product_id,
            ),
            options=options,
            s2_product_id=tile.s2_product_id,
        )
    except ArchiveError as error:
        return TileOutcome(tile=tile, patches=None, sums=sums, failure=str(error))
    if tile.split == "train":
        sums.add_patches(patches.tensors)
    return TileOutcome(tile=tile, patches=patches, sums=sums)


Handed = tuple[TileOutcome, Slot, Layout | None]
"""An outcome on its way between processes: its tensors lie in the slot where there is a layout."""


def hand_over(
    item: tuple[PlannedTile, Slot], *, s2: Archive, s1: Archive, options: ExportOptions
) -> Handed:
    """Export a tile in a worker; its patches' tensors, which are large, go by the slot."""
    tile, slot = item
    outcome = export_tile(tile, s2=s2, s1=s1, options=options)
    if outcome.patches is None:
        return outcome, slot, None
    layout = slot.fill(outcome.patches.tensors)
    if layout is not None:
        outcome = replace(outcome, patches=replace(outcome.patches, tensors={}))
    return outcome, slot, layout


def taken_over(slots: WithSlots[PlannedTile], handed: Handed) -> TileOutcome:
    """Put an outcome together again."""
    outcome, slot, layout = handed
    tensors = slots.take(slot, layout)
    if tensors is None or outcome.patches is None:
        return outcome
    return replace(outcome, patches=replace(outcome.patches, tensors=tensors))


def append_mixed(
    writer: ShardWriter, outcomes: Sequence[TileOutcome], *, spec: SampleSpec, seed: int
) -> None:
    """Write the patches of some tiles to a shard, mixed."""
    found = [
        (outcome.tile, outcome.patches)
        for outcome in outcomes
        if outcome.patches is not None and outcome.num_patches
    ]
    if not found:
        return
    keys = [
        (patch_key(tile.cell, row, col, seed=seed), number, index)
        for number, (tile, patches) in enumerate(found)
        for index, (row, col) in enumerate(
            zip(patches.patch_row.tolist(), patches.patch_col.tolist(), strict=True)
        )
    ]
    starts = np.cumsum([0, *(len(patches.patch_row) for _, patches in found)])
    order = sorted(keys)
    metadata = pa.concat_tables([_metadata(tile, patches) for tile, patches in found])
    metadata = metadata.take([starts[number] + index for _, number, index in order])
    for first in range(0, len(order), ROW_GROUP_ROWS):
        rows = order[first : first + ROW_GROUP_ROWS]
        tensors = {
            group.column: np.stack([found[n][1].tensors[group.column][i] for _, n, i in rows])
            for group in spec.groups
        }
        writer.append(tensors, metadata[first : first + ROW_GROUP_ROWS])


def _metadata(tile: PlannedTile, patches: TilePatches) -> pa.Table:
    """Give the rows of ``METADATA_SCHEMA`` of a tile's patches."""
    each = {
        "patch_row": patches.patch_row, "patch_col": patches.patch_col,
        "ulx_m": patches.ulx_m, "uly_m": patches.uly_m,
        "lat": patches.lat_deg, "lon": patches.lon_deg,
        "s2_invalid": patches.s2_invalid, "s1_invalid": patches.s1_invalid,
    }  # fmt: skip
    shared = {
        "grid_cell": tile.cell, "s2_product_id": tile.s2_product_id,
        "s1_product_id": tile.s1_product_id, "s2_timestamp": tile.s2_timestamp,
        "s1_timestamp": tile.s1_timestamp, "dt_days": tile.dt_days,
        "s2_offset": patches.s2_offset,
        "epsg": patches.epsg, "climate": tile.climate, "landcover": tile.landcover,
        "stratum": tile.stratum, "split": tile.split,
    }  # fmt: skip
    arrays = [
        pa.array(each[kind.name], kind.type)
        if kind.name in each
        else pa.array([shared[kind.name]] * len(patches.patch_row), kind.type)
        for kind in METADATA_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=METADATA_SCHEMA)
