"""The work of an export: shards made one after the other in a folder of their own.

``<out>.partial/`` keeps finished shards, and for each a receipt of what was counted while it
was made. A shard is finished or not there, so that an interrupted export goes on with the
next one and comes to the same bytes. Shards are numbered as they are made and get their full
names at the end: only then is it known how many there are.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from minortom import unfinished
from minortom.archive import Archive
from minortom.engine import as_done, local_executor
from minortom.errors import ArchiveError, InputError
from minortom.export_options import ExportOptions
from minortom.export_plan import PlannedTile, shards_of, tiles_per_shard, windows_of
from minortom.export_reserves import ExportPlan
from minortom.export_tile import Tally, TileOutcome, append_mixed, export_tile
from minortom.outputs import (
    replace_folder,
    whole_file,
    write_json,
    write_text,
)
from minortom.progress import OnProgress
from minortom.provenance import Provenance
from minortom.shard_card import CARD, data_card
from minortom.shard_layout import shard_name
from minortom.shard_statistics import BandSums
from minortom.shard_writer import ShardWriter, write_dataset
from minortom.shards import read_record


@dataclass(kw_only=True)
class Receipt:
    """What was counted while one shard was made; kept beside it until all are."""

    rows_by_split: dict[str, int]
    sums: BandSums
    tally: Tally
    unusable: dict[str, str]
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


@dataclass(kw_only=True)
class ExportJob:
    """The shards to make, and the folder in which they are made."""

    work: Path
    archives: tuple[Archive, Archive]
    options: ExportOptions
    provenance: Provenance
    plan: ExportPlan
    tiles: list[PlannedTile] = field(default_factory=list)
    """Those of all rounds that are known."""
    shards: list[range] = field(default_factory=list)
    """Positions of each shard's tiles; no shard has tiles of two rounds."""

    def shard_path(self, number: int) -> Path:
        """Say where a shard lies until all are finished."""
        return self.work / "shards" / f"shard-{number:05d}.parquet"

    def receipt_path(self, number: int) -> Path:
        """Say where a shard's receipt lies; it is there when the shard is finished."""
        return self.work / "receipts" / f"{number:05d}.json"

    def take_up(self, *, overwrite: bool) -> None:
        """Make the folder of unfinished work, or find it as the same export left it.

        Raises:
            OutputExistsError: If another export left it, and ``overwrite`` is false; or, whatever
                ``overwrite`` says, if no export did.
        """
        unfinished.take_up(self.work, self.provenance, overwrite=overwrite)
        (self.work / "shards").mkdir(exist_ok=True)
        (self.work / "receipts").mkdir(exist_ok=True)

    def write_shards(self, workers: int | None, on_progress: OnProgress) -> None:
        """Make the shards that are not finished yet, one after the other, round by round."""
        for path in (self.work / "shards").glob(".*.tmp"):  # a killed process left it
            path.unlink()
        tiles = self.plan.first_round
        per_shard = tiles_per_shard(self.options)
        with local_executor(workers) as executor:
            while tiles:
                first_tile, first_shard = len(self.tiles), len(self.shards)
                self.tiles += tiles
                self.shards += [
                    range(first_tile + shard.start, first_tile + shard.stop)
                    for shard in shards_of(tiles, per_shard)
                ]
                numbers = range(first_shard, len(self.shards))
                self._write_round(numbers, executor, on_progress)
                unusable: dict[str, str] = {}
                for number in numbers:
                    unusable |= Receipt.read(self.receipt_path(number)).unusable
                tiles = self.plan.next_round(tiles, unusable)

    def _write_round(
        self, all_numbers: Iterable[int], executor: Executor, on_progress: OnProgress
    ) -> None:
        numbers = [number for number in all_numbers if not self.receipt_path(number).exists()]
        if not numbers:
            return
        windows = [window for n in numbers for window in windows_of(self.shards[n], self.options)]
        positions = [position for window in windows for position in window]
        done = len(self.tiles) - len(positions)
        s2, s1 = self.archives
        task = partial(export_tile, s2=s2, s1=s1, options=self.options)
        outcomes = as_done(executor, task, [self.tiles[p] for p in positions])
        counted = _counting(outcomes, done, len(self.tiles), on_progress)
        mixed = _in_windows(counted, [len(window) for window in windows])
        for number in numbers:
            self._write_shard(number, mixed)

    def _write_shard(self, number: int, mixed: Iterator[list[TileOutcome]]) -> None:
        receipt = Receipt(rows_by_split={}, sums=BandSums(), tally=Tally(), unusable={})
        with (
            whole_file(self.shard_path(number)) as temporary,
            ShardWriter(temporary, spec=self.options.spec, provenance=self.provenance) as writer,
        ):
            for _ in windows_of(self.shards[number], self.options):
                # Not kept in a name here: the next window is gathered while this line runs.
                self._append(writer, next(mixed), receipt)
        write_json(self.receipt_path(number), asdict(receipt))

    def _append(
        self, writer: ShardWriter, outcomes: Sequence[TileOutcome], receipt: Receipt
    ) -> None:
        append_mixed(writer, outcomes, spec=self.options.spec, seed=self.options.seed)
        for outcome in outcomes:
            receipt.add_outcome(outcome)

    def finish(self, out: Path) -> None:
        """Name the shards, write the record and the card over them, put them in their place."""
        numbers = range(len(self.shards))
        receipts = [Receipt.read(self.receipt_path(number)) for number in numbers]
        paths = [self._named(number) for number in numbers]
        sums, tally = BandSums(), Tally()
        for receipt in receipts:
            sums.add(receipt.sums)
            tally.add(receipt.tally)
        try:
            _check_patches(tally)
            write_dataset(
                self.work / "shards",
                spec=self.options.spec,
                shards=[(paths[n], receipts[n].rows_by_split) for n in numbers],
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
        card = data_card(read_record(self.work / "shards"))
        write_text(self.work / "shards" / CARD, card)
        replace_folder(self.work / "shards", out)
        shutil.rmtree(self.work)

    def _named(self, number: int) -> Path:
        """Give a finished shard its name; it has it already if an interruption came since."""
        made = self.shard_path(number)
        path = made.with_name(shard_name(number, len(self.shards)))
        if made.exists():
            made.rename(path)
        return path


def _counting(
    outcomes: Iterable[tuple[int, TileOutcome]], done: int, total: int, on_progress: OnProgress
) -> Iterator[tuple[int, TileOutcome]]:
    on_progress(done, total)
    for count, outcome in enumerate(outcomes, start=done + 1):
        on_progress(count, total)
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
