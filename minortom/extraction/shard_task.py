"""One shard of an export: its tiles, its unfinished file, and the counts of its tiles."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from minortom.archive.archive import Archive
from minortom.errors import InputError
from minortom.extraction.options import ExportOptions
from minortom.extraction.plan import PlannedTile, windows_of
from minortom.extraction.tile import Tally, TileOutcome, append_shuffled, export_tile
from minortom.io.atomic_write import atomic_file, write_json
from minortom.io.parse import parse_json
from minortom.io.provenance import Provenance
from minortom.io.work_folder import has_work_on
from minortom.shards.formats import Format
from minortom.shards.statistics import BandSums
from minortom.shards.writer import ShardWriter, start_shard


@dataclass(kw_only=True)
class Receipt:
    """Counts of one shard, stored beside it until all shards are finished."""

    rows_by_split: dict[str, int] = field(default_factory=dict)
    sums: BandSums = field(default_factory=BandSums)
    tally: Tally = field(default_factory=Tally)
    unusable: dict[str, str] = field(default_factory=dict)
    """Cells that gave no patch, with the reason: ``unreadable`` or ``no valid patch``."""

    def add_outcome(self, outcome: TileOutcome) -> None:
        """Add one tile to the counts."""
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
        """Read the counts of a finished shard."""
        record = parse_json(path.read_text(encoding="utf-8"))
        return cls(
            rows_by_split=record["rows_by_split"],
            sums=BandSums(**record["sums"]),
            tally=Tally(**record["tally"]),
            unusable=record["unusable"],
        )


def shard_path(work: Path, number: int, kind: Format) -> Path:
    """Return the path of a shard until all shards are finished."""
    return work / "shards" / f"shard-{number:05d}{kind.suffix}"


def receipt_path(work: Path, number: int) -> Path:
    """Return the path of a shard's receipt, which exists when the shard is finished."""
    return work / "receipts" / f"{number:05d}.json"


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """A shard to write."""

    work: Path
    """Folder of the unfinished export."""
    number: int
    tiles: Sequence[PlannedTile]
    options: ExportOptions
    provenance: Provenance

    def windows(self) -> list[Sequence[PlannedTile]]:
        """Divide the tiles into windows whose patches are shuffled together."""
        every = range(len(self.tiles))
        return [self.tiles[w.start : w.stop] for w in windows_of(every, self.options)]

    def write(self, windows: Iterator[list[TileOutcome]]) -> None:
        """Write the shard and then its receipt, each atomically. It can be called again.

        Args:
            windows: Outcomes of the tiles, window by window; only those of this shard are taken.
        """
        receipt, spec = Receipt(), self.options.spec
        with (
            atomic_file(shard_path(self.work, self.number, spec.format)) as temporary,
            start_shard(temporary, spec=spec, provenance=self.provenance) as writer,
        ):
            for _ in self.windows():
                # The window has no name here, so that its memory is free before the next one comes.
                self._append(writer, next(windows), receipt)
        write_json(receipt_path(self.work, self.number), asdict(receipt))

    def _append(
        self, writer: ShardWriter, outcomes: Sequence[TileOutcome], receipt: Receipt
    ) -> None:
        append_shuffled(writer, outcomes, spec=self.options.spec, seed=self.options.seed)
        for outcome in outcomes:
            receipt.add_outcome(outcome)


def make_shard(task: ShardTask, *, s2: Archive, s1: Archive) -> int:
    """Write a whole shard in this process, such as a worker of a cluster.

    Returns:
        The number of tiles of the shard.

    Raises:
        InputError: If this process does not see the folder of the export.
        RemoteError: If a download fails.
    """
    if not has_work_on(task.work, task.provenance):
        raise InputError(
            f"workers of the cluster must see {task.work}, but one of them does not; give an --out "
            "on a file system that all workers share"
        )
    if not receipt_path(task.work, task.number).exists():
        outcomes = (
            [export_tile(tile, s2=s2, s1=s1, options=task.options) for tile in window]
            for window in task.windows()
        )
        task.write(outcomes)
    return len(task.tiles)
