"""The work of an export: shards made in a folder of their own.

``<out>.partial/`` keeps finished shards, and for each a receipt of what was counted while it
was made. A shard is finished or not there, so that an interrupted export goes on with the
next one and comes to the same bytes. Shards are numbered as they are made and get their full
names at the end: only then is it known how many there are.
"""

import shutil
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
from minortom.extraction.tile import Tally, TileOutcome, hand_over, taken_over
from minortom.io import work_folder
from minortom.io.atomic_write import replace_folder, write_text
from minortom.io.provenance import Provenance
from minortom.progress import OnProgress
from minortom.shards.layout import DATASET_FILE, shard_name
from minortom.shards.record import read_record
from minortom.shards.statistics import BandSums
from minortom.shards.writer import write_dataset


@dataclass(kw_only=True)
class ExportJob:
    """The shards to make, and the folder in which they are made."""

    work: Path
    archives: tuple[Archive, Archive]
    options: ExportOptions
    provenance: Provenance
    plan: ExportPlan
    shards: list[ShardTask] = field(default_factory=list)
    """Those of all rounds that are known; no shard has tiles of two rounds."""

    def take_up(self, *, overwrite: bool) -> None:
        """Make the folder of unfinished work, or find it as the same export left it.

        Raises:
            OutputExistsError: If another export left it, and ``overwrite`` is false; or, whatever
                ``overwrite`` says, if no export did.
        """
        work_folder.take_up(self.work, self.provenance, overwrite=overwrite)
        (self.work / "shards").mkdir(exist_ok=True)
        (self.work / "receipts").mkdir(exist_ok=True)

    def write_shards(self, executor: Executor, on_progress: OnProgress) -> None:
        """Make the shards that are not finished yet, round by round.

        Raises:
            RemoteError: If the network fails.
            InputError: If a worker of a cluster does not see the folder.
        """
        for path in (self.work / "shards").glob(".*.tmp"):  # a killed process left it
            path.unlink()
        tiles, per_shard = self.plan.first_round, tiles_per_shard(self.options)
        while tiles:
            tasks = self._tasks(tiles, per_shard)
            before = sum(len(task.tiles) for task in self.shards)
            self.shards += tasks
            left = [t for t in tasks if not receipt_path(self.work, t.number).exists()]
            done = before + len(tiles) - sum(len(task.tiles) for task in left)
            progress = _Progress(done=done, total=before + len(tiles), tell=on_progress)
            if isinstance(executor, ClusterPool):
                self._make_everywhere(left, executor, progress)
            else:
                self._make_here(left, executor, progress)
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

    def _make_everywhere(
        self, tasks: Sequence[ShardTask], executor: Executor, progress: "_Progress"
    ) -> None:
        """Have each shard made by a worker, which writes it itself: little comes back."""
        s2, s1 = self.archives
        for _, num_tiles in as_done(executor, partial(make_shard, s2=s2, s1=s1), tasks):
            progress.add(num_tiles)

    def _make_here(
        self, tasks: Sequence[ShardTask], executor: Executor, progress: "_Progress"
    ) -> None:
        """Read tiles in all processes, and write the shards one after the other in this one."""
        windows = [window for task in tasks for window in task.windows()]
        s2, s1 = self.archives
        work = partial(hand_over, s2=s2, s1=s1, options=self.options)
        with WithSlots([tile for window in windows for tile in window]) as slots:
            # Where a tile takes minutes, as from a server that asks to wait, the others must not
            # pile up in memory meanwhile: one window beside the one that waits for it.
            ahead = max((len(window) for window in windows), default=None)
            outcomes = (
                (position, taken_over(slots, handed))
                for position, handed in as_done(executor, work, slots, ahead=ahead)
            )
            mixed = _in_windows(progress.counting(outcomes), [len(window) for window in windows])
            for task in tasks:
                task.write(mixed)

    def finish(self, out: Path) -> None:
        """Name the shards, write the record and the card over them, put them in their place.

        A shard all of whose tiles turned out unusable is left out.
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
            shutil.rmtree(self.work)  # nothing in it is worth going on with
            raise
        _remove_others(self.work / "shards", paths)
        card = data_card(read_record(self.work / "shards"))
        write_text(self.work / "shards" / CARD, card)
        replace_folder(self.work / "shards", out)
        shutil.rmtree(self.work)

    def _named(self, number: int, name: str) -> Path:
        """Give a finished shard its name; it has it already if an interruption came since."""
        made = shard_path(self.work, number, self.options.format)
        path = made.with_name(name)
        if made.exists():
            made.rename(path)
        return path


@dataclass(kw_only=True)
class _Progress:
    """Tiles that are done, of all rounds that are known."""

    done: int
    total: int
    tell: OnProgress

    def __post_init__(self) -> None:
        self.tell(self.done, self.total)

    def add(self, count: int) -> None:
        self.done += count
        self.tell(self.done, self.total)

    def counting(
        self, outcomes: Iterable[tuple[int, TileOutcome]]
    ) -> Iterator[tuple[int, TileOutcome]]:
        """Count results as they go by."""
        for outcome in outcomes:
            self.add(1)
            yield outcome


def _in_windows(
    outcomes: Iterable[tuple[int, TileOutcome]], sizes: Sequence[int]
) -> Iterator[list[TileOutcome]]:
    """Gather results, which come as they are done, to windows of consecutive positions."""
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
    """Remove shards without patches, and what a worker left that a cluster took for dead."""
    for path in folder.iterdir():
        if path not in paths and path.name != DATASET_FILE:
            path.unlink()


def _check_patches(tally: Tally) -> None:
    if tally.patches:
        return
    unreadable = [f"{cell}: {why}" for cell, why in tally.tiles_unreadable.items()]
    raise ArchiveError(
        f"no valid patch is left: {len(unreadable):,} tiles could not be read"
        f"{f' (first {unreadable[0]})' if unreadable else ''}, "
        f"{tally.tiles_without_valid_patch:,} have an invalid pixel in every patch; "
        "give a complete archive or a smaller --patch-size"
    )
