"""``minortom.verify``: a folder of shards checked against its record."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from minortom.api.arguments import flag, path_of, whole_number
from minortom.api.cores import available_cores
from minortom.api.results import Result, Shown
from minortom.dataset.checks import CheckedShard, check_shard
from minortom.engine.executors import map_items
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.formats import Format
from minortom.shards.layout import DATASET_FILE, spec_of
from minortom.shards.record import read_record
from minortom.shards.statistics import BandSums

_TOLERANCE = 1e-6
"""Relative tolerance of a mean or standard deviation."""


@dataclass(frozen=True, kw_only=True)
class VerifyResult(Result):
    """The findings of `verify`."""

    folder: Path
    status: Literal["whole", "damaged"]
    checked: str
    """Extent of the check: ``every byte``, or ``sizes, footers and counts``."""
    shards: int
    patches: int
    """As ``dataset.json`` counts them."""
    megabytes: float
    """Size of the shards that exist."""
    problems: tuple[str, ...]
    """One line for each damaged shard, ``NAME: what is wrong``, then those of the whole set."""

    @property
    def ok(self) -> bool:
        """True if no problem was found."""
        return not self.problems

    def shown(self) -> Shown:
        """Return the values for people: the number of problems instead of their lines."""
        return {**self.as_dict(), "problems": len(self.problems)}


def verify(
    shards: str | Path,
    *,
    deep: bool = False,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> VerifyResult:
    """Check a folder of shards against its record.

    The quick check finds missing shards and shards of another size; wrong rows, columns, provenance
    or byte offsets; wrong numbers of patches by split; and shards that the record does not name.

    Example:
        >>> result = minortom.verify("shards")
        >>> result.ok, result.problems
        (True, ())

    Args:
        shards: Folder that ``minortom.export`` made.
        deep: Read every byte, too: the SHA-256 of each shard, the checksum of each page, the
            length of each value; the statistics, to a relative 1e-6; patches that occur twice; and
            cells in two splits.
        workers: Threads; all cores when None.
        on_progress: Called with (shards done, shards in total).

    Returns:
        The findings. ``ok`` is false where something is wrong, and ``problems`` says what.

    Raises:
        InputError: If an argument is invalid.
        ShardError: If the folder has no ``dataset.json`` of this schema version to check against.
    """
    folder, deep = path_of("shards", shards), flag("deep", deep)
    if workers is not None:
        workers = whole_number("workers", workers, minimum=1)
    record = read_record(folder)
    entries = record["shards"]
    task = partial(check_shard, folder, record=record, deep=deep)
    executor = ThreadPoolExecutor(workers or available_cores())
    try:
        checked = map_items(executor, task, entries, on_progress=on_progress)
    finally:
        executor.shutdown(cancel_futures=True)
    problems = _problems(folder, record, checked, deep=deep)
    present = [path for entry in entries if (path := folder / entry["file"]).is_file()]
    return VerifyResult(
        folder=folder, status="damaged" if problems else "whole",
        checked="every byte" if deep else "sizes, footers and counts", shards=len(entries),
        patches=sum(int(entry["rows"]) for entry in entries),
        megabytes=round(sum(path.stat().st_size for path in present) / 1e6, 1),
        problems=tuple(problems),
    )  # fmt: skip


def _problems(
    folder: Path, record: Mapping[str, Any], checked: Sequence[CheckedShard], *, deep: bool
) -> list[str]:
    """Return a line for each damaged shard, then those of the whole set."""
    entries = record["shards"]
    names = [entry["file"] for entry in entries]
    if deep:
        _add_wrong_places(names, checked)
    problems = [
        f"{name}: {'; '.join(found.problems)}"
        for name, found in zip(names, checked, strict=True)
        if found.problems
    ]
    problems += _wrong_names(folder, names)
    # Another number of rows, which the shard's own line says, changes all that is counted.
    if all(
        found.places is not None and len(found.places) == entry["rows"]
        for entry, found in zip(entries, checked, strict=True)
    ):
        problems += _wrong_counts(record, checked)
        problems += _wrong_statistics(record, checked) if deep else []
    return problems


def _wrong_names(folder: Path, names: list[str]) -> list[str]:
    """Find shards that the record names twice, and shards that it does not name."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    problems = [f"{name}: {DATASET_FILE} names it twice" for name in twice]
    shards = {path.name for kind in Format for path in folder.glob(f"*{kind.suffix}")}
    others = sorted(shards - set(names))
    return [*problems, *(f"{name}: {DATASET_FILE} does not name it" for name in others)]


def _wrong_counts(record: Mapping[str, Any], checked: Iterable[CheckedShard]) -> list[str]:
    """Compare the numbers of patches by split."""
    counts: Counter[str] = Counter()
    for shard in checked:
        assert shard.places is not None  # of comparable shards
        for entry in shard.places["split"].value_counts().to_pylist():
            counts[entry["values"]] += entry["counts"]
    recorded = record.get("splits")
    if recorded == dict(counts):
        return []
    return [
        f"{DATASET_FILE}: splits {recorded}, but the shards have {dict(sorted(counts.items()))}"
    ]


def _add_wrong_places(names: list[str], checked: Sequence[CheckedShard]) -> None:
    """Find patches that occur twice, and cells in more than one split; add them to a shard."""
    tables = [
        found.places.append_column("shard", pa.repeat(name, len(found.places)))
        for name, found in zip(names, checked, strict=True)
        if found.places is not None
    ]
    if not tables:
        return
    table, keys = pa.concat_tables(tables), ["grid_cell", "patch_row", "patch_col"]
    patches = table.group_by(keys).aggregate([([], "count_all"), ("shard", "max")])
    twice = patches.filter(pc.greater(patches["count_all"], 1)).sort_by("grid_cell")
    cells = table.group_by("grid_cell").aggregate([("split", "count_distinct"), ("shard", "max")])
    parted = cells.filter(pc.greater(cells["split_count_distinct"], 1)).sort_by("grid_cell")
    for found, what in (
        (twice, "patches occur more than once"),
        (parted, "cells are in more than one split"),
    ):
        if len(found):
            shard = checked[names.index(str(found["shard_max"][0]))]
            shard.problems.append(f"{len(found):,} {what}, first {found['grid_cell'][0]}")


def _wrong_statistics(record: Mapping[str, Any], checked: Iterable[CheckedShard]) -> list[str]:
    """Compare the mean and standard deviation of each band with the ``train`` patches.

    One line has the first value that differs, and the number of the others.
    """
    sums = BandSums()
    for found in checked:
        if found.sums is None:
            return []
        sums.add(found.sums)
    if not sums.num_pixels:
        return [f"{DATASET_FILE}: no patch is in the split train, so bands have no mean"]
    problems, differing = [], []
    for column, counted in sums.statistics(spec_of(record)).items():
        recorded = record["statistics"].get(column, {})
        for name in ("mean", "std"):
            for band, value, said in zip(
                counted["bands"], counted[name], recorded.get(name, ()), strict=False
            ):
                if not math.isclose(float(str(value)), said, rel_tol=_TOLERANCE):
                    differing.append(
                        f"{name} of {column} {band} is {said}, but the patches have {value}"
                    )
            if len(recorded.get(name, ())) != len(counted["bands"]):
                problems.append(f"{DATASET_FILE}: {name} of {column} does not have all bands")
    if differing:
        more = f" (the first of {len(differing)} that differ)" if len(differing) > 1 else ""
        problems.insert(0, f"{DATASET_FILE}: {differing[0]}{more}")
    return problems
