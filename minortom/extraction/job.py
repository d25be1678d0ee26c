"""A running export: shards are written into a working folder, and the export can be resumed.

``<out>.partial/`` has the finished shards, and a receipt for each with its counts. Shards are
written atomically, so that an interrupted export resumes with the next shard and gives the same
bytes. Shards have a number while the export runs. They get their names at the end, when their total
number is known.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from minortom.archive.archive import Archive
from minortom.dataset.card import CARD, data_card
from minortom.engine.dask_cluster import ClusterPool
from minortom.engine.executors import as_done
from minortom.engine.shared_memory import WithSlots
from minortom.errors import ArchiveError, InputError
from minortom.extraction.options import ExportOptions
from minortom.extraction.plan import PlannedTile, shards_of, tiles_per_shard
from minortom.extraction.reserves import ExportPlan
from minortom.extraction.shard_task import Receipt, ShardTask, make_shard, receipt_path, shard_path
from minortom.extraction.tile import Tally, TileOutcome, export_to_slot, outcome_from_slot
from minortom.io import work_folder
from minortom.io.atomic_write import replace_folder, write_text
from minortom.io.provenance import Provenance
from minortom.io.up_to_date import stored_provenance
from minortom.progress import OnProgress
from minortom.shards.layout import DATASET_FILE, shard_name
from minortom.shards.record import read_record
from minortom.shards.statistics import BandSums
from minortom.shards.writer import write_dataset


@dataclass(kw_only=True)
class ExportJob:
    """The shards of an export, and the folder in which they are written."""

    work: Path
    archives: tuple[Archive, Archive]
    options: ExportOptions
    provenance: Provenance
    plan: ExportPlan
    shards: list[ShardTask] = field(default_factory=list)
    """Shards of all rounds so far; no shard has tiles of two rounds."""

    def open_work_folder(self, *, overwrite: bool) -> None:
        """Create the working folder, or keep that of the same export after an interruption.

        Raises:
            OutputExistsError: If the folder has finished shards of another export and ``overwrite``
                is false; or if it has other files, even with ``overwrite``.
        """
        shards = stored_provenance(self.work / "shards" / DATASET_FILE)
        if shards not in (None, work_folder.provenance_of_work(self.work)):
            # Killed after the new shards had changed places with these older ones.
            work_folder.delete_work_folder(self.work)
        has_shards = any((self.work / "receipts").glob("*.json"))
        work_folder.prepare_work_folder(
            self.work, self.provenance, overwrite=overwrite or not has_shards
        )
        (self.work / "shards").mkdir(exist_ok=True)
        (self.work / "receipts").mkdir(exist_ok=True)

    def write_shards(self, executor: Executor, on_progress: OnProgress) -> None:
        """Write the shards that are not finished yet, round by round.

        Raises:
            RemoteError: If a download fails.
            InputError: If a worker of a cluster does not see the folder.
        """
        for path in self.work.glob("*/.*.tmp"):  # left by a killed process
            path.unlink()
        tiles, per_shard = self.plan.first_round, tiles_per_shard(self.options)
        while tiles:
            tasks = self._tasks(tiles, per_shard)
            before = sum(len(task.tiles) for task in self.shards)
            self.shards += tasks
            left = [t for t in tasks if not receipt_path(self.work, t.number).exists()]
            done = before + len(tiles) - sum(len(task.tiles) for task in left)
            progress = _Progress(done=done, total=before + len(tiles), report=on_progress)
            if isinstance(executor, ClusterPool):
                self._write_on_cluster(left, executor, progress)
            else:
                self._write_here(left, executor, progress)
            unusable: dict[str, str] = {}
            for task in tasks:
                unusable |= Receipt.read(receipt_path(self.work, task.number)).unusable
            tiles = self.plan.next_round(tiles, unusable)

    def _tasks(self, tiles: Sequence[PlannedTile], per_shard: int) -> list[ShardTask]:
        return [
            ShardTask(
                work=self.work, number=number, tiles=tuple(tiles[cut.start : cut.stop]),
                options=self.options, provenance=self.provenance,
            )
            for number, cut in enumerate(shards_of(tiles, per_shard), start=len(self.shards))
        ]  # fmt: skip

    def _write_on_cluster(
        self, tasks: Sequence[ShardTask], executor: Executor, progress: "_Progress"
    ) -> None:
        """Write whole shards on the workers of a cluster, so that they return no pixels."""
        s2, s1 = self.archives
        for _, num_tiles in as_done(executor, partial(make_shard, s2=s2, s1=s1), tasks):
            progress.add(num_tiles)

    def _write_here(
        self, tasks: Sequence[ShardTask], executor: Executor, progress: "_Progress"
    ) -> None:
        """Read tiles in all processes, and write the shards in order in this process."""
        windows = [window for task in tasks for window in task.windows()]
        s2, s1 = self.archives
        work = partial(export_to_slot, s2=s2, s1=s1, options=self.options)
        with WithSlots([tile for window in windows for tile in window]) as slots:
            # A tile can take minutes, for example if a server asks to wait. Meanwhile the other
            # tiles must not fill the memory: read at most one window ahead.
            ahead = max((len(window) for window in windows), default=None)
            outcomes = (
                (position, outcome_from_slot(slots, handed))
                for position, handed in as_done(executor, work, slots, ahead=ahead)
            )
            by_window = _in_windows(
                progress.counting(outcomes), [len(window) for window in windows]
            )
            for task in tasks:
                task.write(by_window)

    def finish(self, out: Path) -> None:
        """Name the shards, write record and card, and move the data set to ``out``.

        A shard without patches is left out.
        """
        receipts = [Receipt.read(receipt_path(self.work, n)) for n in range(len(self.shards))]
        numbers = [n for n, receipt in enumerate(receipts) if receipt.rows_by_split]
        paths = [
            self._named(number, shard_name(place, len(numbers), self.options.format))
            for place, number in enumerate(numbers)
        ]
        sums, tally = BandSums(), Tally()
        for receipt in receipts:
            sums.add(receipt.sums)
            tally.add(receipt.tally)
        try:
            _check_patches(tally)
            write_dataset(
                self.work / "shards",
                spec=self.options.spec,
                shards=[
                    (path, receipts[number].rows_by_split)
                    for path, number in zip(paths, numbers, strict=True)
                ],
                sums=sums,
                provenance=self.provenance,
                details={
                    "cells_missing": self.plan.cells_missing,
                    "export": asdict(tally),
                    **self.plan.record(),
                },
            )
        except (InputError, ArchiveError):
            # Nothing in it can be resumed.
            work_folder.delete_work_folder(self.work, self.provenance)
            raise
        _remove_others(self.work / "shards", paths)
        card = data_card(read_record(self.work / "shards"))
        write_text(self.work / "shards" / CARD, card)
        replace_folder(self.work / "shards", out)
        work_folder.delete_work_folder(self.work, self.provenance)

    def _named(self, number: int, name: str) -> Path:
        """Rename a finished shard, unless an interrupted call did so before; return its path."""
        made = shard_path(self.work, number, self.options.format)
        path = made.with_name(name)
        if made.exists():
            made.rename(path)
        return path


@dataclass(kw_only=True)
class _Progress:
    """Tiles that are done, over all rounds so far."""

    done: int
    total: int
    report: OnProgress

    def __post_init__(self) -> None:
        self.report(self.done, self.total)

    def add(self, count: int) -> None:
        self.done += count
        self.report(self.done, self.total)

    def counting(
        self, outcomes: Iterable[tuple[int, TileOutcome]]
    ) -> Iterator[tuple[int, TileOutcome]]:
        """Count results while they are iterated."""
        for outcome in outcomes:
            self.add(1)
            yield outcome


def _in_windows(
    outcomes: Iterable[tuple[int, TileOutcome]], sizes: Sequence[int]
) -> Iterator[list[TileOutcome]]:
    """Group results, which come in any order, into windows of consecutive positions."""
    waiting: dict[int, TileOutcome] = {}
    stream, first = iter(outcomes), 0
    for size in sizes:
        window = range(first, first + size)
        while not all(position in waiting for position in window):
            position, outcome = next(stream)
            waiting[position] = outcome
        yield [waiting.pop(position) for position in window]
        first += size


def _remove_others(folder: Path, paths: Sequence[Path]) -> None:
    """Remove shards without patches, and files of workers that the cluster gave up."""
    for path in folder.iterdir():
        if path not in paths and path.name != DATASET_FILE:
            path.unlink()


def _check_patches(tally: Tally) -> None:
    if tally.patches:
        return
    unreadable = [f"{cell}: {why}" for cell, why in tally.tiles_unreadable.items()]
    raise ArchiveError(
        f"at least one patch must be valid, found none: {len(unreadable):,} tiles could not be "
        f"read{f' (first {unreadable[0]})' if unreadable else ''}, "
        f"{tally.tiles_without_valid_patch:,} have an invalid pixel in every patch; "
        "give a complete archive or a smaller --patch-size"
    )
