"""Export of one tile: read, cut, counted; and the shuffling of the patches of several tiles."""

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
from minortom.shards.layout import ROW_GROUP_ROWS, SampleSpec
from minortom.shards.statistics import BandSums
from minortom.shards.writer import ShardWriter


@dataclass(frozen=True, kw_only=True, eq=False)
class TileOutcome:
    """Outcome of a tile: its patches, or the reason why it has none."""

    tile: PlannedTile
    patches: TilePatches | None
    sums: BandSums
    """Sums over its pixels, if the tile is in the ``train`` split."""
    failure: str = ""

    @property
    def num_patches(self) -> int:
        """Number of valid patches."""
        return 0 if self.patches is None else len(self.patches.patch_row)


@dataclass(kw_only=True)
class Tally:
    """Counts over many tiles."""

    tiles: int = 0
    """Tiles with at least one valid patch."""
    patches: int = 0
    tiles_without_valid_patch: int = 0
    patches_dropped: int = 0
    """Patches of readable tiles with more invalid pixels than allowed."""
    patches_cloudy: int = 0
    """Other patches with more cloud than allowed."""
    patches_filled: int = 0
    """Patches with invalid pixels that were filled."""
    tiles_warped: int = 0
    """Tiles whose Sentinel-1 was on another grid and has been resampled."""
    tiles_of_unknown_baseline: int = 0
    """Tiles whose product name has no baseline; nothing was subtracted from them."""
    tiles_of_doubtful_offset: list[str] = field(default_factory=list)
    """Cells whose values contradict the offset that was subtracted."""
    tiles_unreadable: dict[str, str] = field(default_factory=dict)
    """Cells whose tile could not be read, with the reason."""

    def add_outcome(self, outcome: TileOutcome) -> None:
        """Add one tile to the counts."""
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
        """Add the counts of another tally."""
        for name in ("tiles", "patches", "tiles_without_valid_patch", "patches_dropped",
                     "patches_cloudy", "patches_filled", "tiles_warped",
                     "tiles_of_unknown_baseline"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.tiles_of_doubtful_offset.extend(other.tiles_of_doubtful_offset)
        self.tiles_unreadable.update(other.tiles_unreadable)


def export_tile(
    tile: PlannedTile, *, s2: Archive, s1: Archive, options: ExportOptions
) -> TileOutcome:
    """Read one tile of both archives and cut it into patches.

    A tile that cannot be read is not an error: the outcome has the reason.
    """
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


InSlot = tuple[TileOutcome, Slot, Layout | None]
"""An outcome that is passed between processes; with a layout, its tensors are in the slot."""


def export_to_slot(
    item: tuple[PlannedTile, Slot], *, s2: Archive, s1: Archive, options: ExportOptions
) -> InSlot:
    """Export a tile in a worker process; its tensors, which are large, go to shared memory."""
    tile, slot = item
    outcome = export_tile(tile, s2=s2, s1=s1, options=options)
    if outcome.patches is None:
        return outcome, slot, None
    layout = slot.fill(outcome.patches.tensors)
    if layout is not None:
        outcome = replace(outcome, patches=replace(outcome.patches, tensors={}))
    return outcome, slot, layout


def outcome_from_slot(slots: WithSlots[PlannedTile], handed: InSlot) -> TileOutcome:
    """Return an outcome with its tensors from shared memory."""
    outcome, slot, layout = handed
    tensors = slots.take(slot, layout)
    if tensors is None or outcome.patches is None:
        return outcome
    return replace(outcome, patches=replace(outcome.patches, tensors=tensors))


def append_shuffled(
    writer: ShardWriter, outcomes: Sequence[TileOutcome], *, spec: SampleSpec, seed: int
) -> None:
    """Append the patches of some tiles to a shard, shuffled together."""
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
    metadata = pa.concat_tables([_metadata(tile, patches, spec) for tile, patches in found])
    metadata = metadata.take([starts[number] + index for _, number, index in order])
    for first in range(0, len(order), ROW_GROUP_ROWS):
        rows = order[first : first + ROW_GROUP_ROWS]
        tensors = {
            group.column: np.stack([found[n][1].tensors[group.column][i] for _, n, i in rows])
            for group in spec.groups
        }
        writer.append(tensors, metadata[first : first + ROW_GROUP_ROWS])


def _metadata(tile: PlannedTile, patches: TilePatches, spec: SampleSpec) -> pa.Table:
    """Return the metadata of a tile's patches, with the columns of ``metadata_schema``."""
    schema = spec.metadata_schema
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
        "stratum": tile.stratum, "split": tile.split, **tile.further,
    }  # fmt: skip
    arrays = [
        pa.array(each[kind.name], kind.type)
        if kind.name in each
        else pa.array([shared[kind.name]] * len(patches.patch_row), kind.type)
        for kind in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
