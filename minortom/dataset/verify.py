"""A folder of shards, checked: against its record, and with ``deep`` down to each byte."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from minortom.dataset.checks import CheckedShard, check_shard
from minortom.engine.executors import available_cores, map_items
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.formats import Format
from minortom.shards.layout import DATASET_FILE, spec_of
from minortom.shards.record import read_record
from minortom.shards.statistics import BandSums

_TOLERANCE = 1e-6
"""Of a mean or standard deviation, relative: they are sums of whole numbers, printed in full."""


@dataclass(frozen=True, kw_only=True)
class VerifySummary:
    """What was looked at, and what is wrong."""

    folder: Path
    deep: bool
    shards: int
    patches: int
    """As ``dataset.json`` counts them."""
    megabytes: float
    """Of the shards that are there."""
    problems: tuple[str, ...]
    """A line a shard, ``NAME: what is wrong``, in their order; then those of the whole set."""

    def as_dict(self) -> dict[str, object]:
        """Give all of it, for printing."""
        return {
            "folder": str(self.folder), "status": "damaged" if self.problems else "whole",
            "checked": "every byte" if self.deep else "sizes, footers and counts",
            "shards": self.shards, "patches": self.patches, "megabytes": self.megabytes,
            "problems": list(self.problems),
        }  # fmt: skip


def verify_shards(
    folder: Path,
    *,
    deep: bool = False,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> VerifySummary:
    """Check a folder of shards.

    Quick: all shards are there, with their sizes, rows, columns, provenance and values at their
    offsets; the patches of each split are as many as the record says, and no shard is there
    that it does not name.

    Args:
        folder: What ``minortom export`` made.
        deep: Also the SHA-256 of each shard, the checksum of each page, the length of each value;
            statistics against all pixels, to 1e-6; no patch twice; no cell in two splits.
        workers: Threads; all cores when None.
        on_progress: Told of (shards done, shards in all).

    Raises:
        ShardError: If there is no ``dataset.json`` of this version to check against.
    """
    record = read_record(folder)
    entries = record["shards"]
    task = partial(check_shard, folder, record=record, deep=deep)
    executor = ThreadPoolExecutor(workers or available_cores())
    try:
        checked = map_items(executor, task, entries, on_progress=on_progress)
    finally:
        executor.shutdown(cancel_futures=True)
    names = [entry["file"] for entry in entries]
    problems = [
        f"{name}: {'; '.join(found.problems)}"
        for name, found in zip(names, checked, strict=True)
        if found.problems
    ]
    problems += _wrong_names(folder, names)
    problems += _wrong_counts(record, checked)
    if deep:
        problems += _wrong_places(names, checked)
        problems += _wrong_statistics(record, checked)
    present = [folder / name for name in names if (folder / name).is_file()]
    return VerifySummary(
        folder=folder, deep=deep, shards=len(entries),
        patches=sum(int(entry["rows"]) for entry in entries),
        megabytes=round(sum(path.stat().st_size for path in present) / 1e6, 1),
        problems=tuple(problems),
    )  # fmt: skip


def _wrong_names(folder: Path, names: list[str]) -> list[str]:
    """Find shards that are named twice, or not at all though other readers would take them."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    problems = [f"{name}: {DATASET_FILE} names it twice" for name in twice]
    shards = {path.name for kind in Format for path in folder.glob(f"*{kind.suffix}")}
    others = sorted(shards - set(names))
    return [*problems, *(f"{name}: {DATASET_FILE} does not name it" for name in others)]


def _wrong_counts(record: Mapping[str, Any], checked: Iterable[CheckedShard]) -> list[str]:
    """Compare the patches a split; of shards that cannot be read nothing is known."""
    counts: Counter[str] = Counter()
    for found in checked:
        if found.places is None:
            return []
        for entry in found.places["split"].value_counts().to_pylist():
            counts[entry["values"]] += entry["counts"]
    told = record.get("splits")
    if told == dict(counts):
        return []
    return [f"{DATASET_FILE}: splits {told}, but the shards hold {dict(sorted(counts.items()))}"]


def _wrong_places(names: list[str], checked: Iterable[CheckedShard]) -> list[str]:
    """Find patches that are there twice, and cells in more than one split."""
    tables = [
        found.places.append_column("shard", pa.repeat(name, len(found.places)))
        for name, found in zip(names, checked, strict=True)
        if found.places is not None
    ]
    if not tables:
        return []
    table, keys = pa.concat_tables(tables), ["grid_cell", "patch_row", "patch_col"]
    patches = table.group_by(keys).aggregate([([], "count_all"), ("shard", "max")])
    twice = patches.filter(pc.greater(patches["count_all"], 1)).sort_by("grid_cell")
    cells = table.group_by("grid_cell").aggregate([("split", "count_distinct"), ("shard", "max")])
    parted = cells.filter(pc.greater(cells["split_count_distinct"], 1)).sort_by("grid_cell")
    return [
        f"{found['shard_max'][0]}: {len(found):,} {what}, first {found['grid_cell'][0]}"
        for found, what in (
            (twice, "patches are there more than once"),
            (parted, "cells are in more than one split"),
        )
        if len(found)
    ]


def _wrong_statistics(record: Mapping[str, Any], checked: Iterable[CheckedShard]) -> list[str]:
    """Compare mean and standard deviation a band with those of all ``train`` patches."""
    sums = BandSums()
    for found in checked:
        if found.sums is None:
            return []
        sums.add(found.sums)
    if not sums.num_pixels:
        return [f"{DATASET_FILE}: no patch is in the split train, so that bands have no mean"]
    problems = []
    for column, counted in sums.statistics(spec_of(record)).items():
        told = record["statistics"].get(column, {})
        for name in ("mean", "std"):
            for band, value, said in zip(
                counted["bands"], counted[name], told.get(name, ()), strict=False
            ):
                if not math.isclose(float(str(value)), said, rel_tol=_TOLERANCE):
                    problems.append(
                        f"{DATASET_FILE}: {name} of {column} {band} is {said}, but the patches "
                        f"have {value}"
                    )
            if len(told.get(name, ())) != len(counted["bands"]):
                problems.append(f"{DATASET_FILE}: {name} of {column} lacks bands")
    return problems
