"""One shard of an export: its tiles, where it is made, and what was counted meanwhile."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from minortom.archive.archive import Archive
from minortom.errors import InputError
from minortom.extraction.options import ExportOptions
from minortom.extraction.plan import PlannedTile, windows_of
from minortom.extraction.tile import Tally, TileOutcome, append_mixed, export_tile
from minortom.io.atomic_write import whole_file, write_json
from minortom.io.provenance import Provenance
from minortom.io.work_folder import is_left_by
from minortom.shards.formats import Format
from minortom.shards.statistics import BandSums
from minortom.shards.writer import ShardWriter, start_shard


@dataclass(kw_only=True)
class Receipt:
    """What was counted while one shard was made; kept beside it until all are."""

    rows_by_split: dict[str, int] = field(default_factory=dict)
    sums: BandSums = field(default_factory=BandSums)
    tally: Tally = field(default_factory=Tally)
    unusable: dict[str, str] = field(default_factory=dict)
    """Cells that gave no patch, and why, in a word or three."""

    def add_outcome(self, outcome: TileOutcome) -> None:
        """Count one tile."""
        self.tally.add_outcome(outcome)
        self.sums.add(outcome.sums)
        if outcome.num_patches:
            before = self.rows_by_split.get(outcome.tile.split, 0)
            self.rows_by_split[outcome.tile.split] = before + outcome.num_patches
        else:
            why = "unreadable" if outcome.patches is None else "no valid patch"
            self.unusable[outcome.tile.cell] = why

    @classmethod
    def read(cls, path: Path) -> "Receipt":
        """Read what was kept of a finished shard."""
        record = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            rows_by_split=record["rows_by_split"],
            sums=BandSums(**record["sums"]),
            tally=Tally(**record["tally"]),
            unusable=record["unusable"],
        )


def shard_path(work: Path, number: int, kind: Format) -> Path:
    """Say where a shard lies until all are finished."""
    return work / "shards" / f"shard-{number:05d}{kind.suffix}"


def receipt_path(work: Path, number: int) -> Path:
    """Say where a shard's receipt lies; it is there when the shard is finished."""
    return work / "receipts" / f"{number:05d}.json"


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """A shard to make."""

    work: Path
    """Folder of the export's unfinished work."""
    number: int
    tiles: Sequence[PlannedTile]
    options: ExportOptions
    provenance: Provenance

    def windows(self) -> list[Sequence[PlannedTile]]:
        """Cut the tiles into those whose patches are mixed with each other."""
        every = range(len(self.tiles))
        return [self.tiles[w.start : w.stop] for w in windows_of(every, self.options)]

    def write(self, mixed: Iterator[list[TileOutcome]]) -> None:
        """Write the shard and then its receipt, whole or not at all; twice does no harm.

        Args:
            mixed: What became of the tiles, window by window; no more is taken than the shard has.
        """
        receipt, spec = Receipt(), self.options.spec
        with (
            whole_file(shard_path(self.work, self.number, spec.format)) as temporary,
            start_shard(temporary, spec=spec, provenance=self.provenance) as writer,
        ):
            for _ in self.windows():
                # Not kept in a name here: the next window is gathered while this line runs.
                self._append(writer, next(mixed), receipt)
        write_json(receipt_path(self.work, self.number), asdict(receipt))

    def _append(
        self, writer: ShardWriter, outcomes: Sequence[TileOutcome], receipt: Receipt
    ) -> None:
        append_mixed(writer, outcomes, spec=self.options.spec, seed=self.options.seed)
        for outcome in outcomes:
            receipt.add_outcome(outcome)


def make_shard(task: ShardTask, *, s2: Archive, s1: Archive) -> int:
    """Make a whole shard where this runs, such as a worker of a cluster; count its tiles.

    Raises:
        InputError: If the export's folder is not seen from here.
        RemoteError: If the network does not give a tile.
    """
    if not is_left_by(task.work, task.provenance):
        raise InputError(
            f"a worker of the cluster does not see {task.work}, where it should write; give an "
            "--out on a file system that all workers share"
        )
    if not receipt_path(task.work, task.number).exists():
        outcomes = (
            [export_tile(tile, s2=s2, s1=s1, options=task.options) for tile in window]
            for window in task.windows()
        )
        task.write(outcomes)
    return len(task.tiles)
