"""A selection and an archive to shards."""

import json
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from minortom.archive.archive import Archive
from minortom.engine.executors import EngineOptions, opened_executor
from minortom.errors import InputError
from minortom.extraction.job import ExportJob
from minortom.extraction.options import ExportOptions, Missing
from minortom.extraction.plan import tiles_per_shard
from minortom.extraction.products import pairs_of
from minortom.extraction.reserves import ExportPlan
from minortom.extraction.selection import read_selection
from minortom.extraction.tile import Tally
from minortom.io.atomic_write import sole_writer
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.up_to_date import is_up_to_date, now, status, stored_licences, write_run_record
from minortom.io.work_folder import is_left_by, work_folder
from minortom.progress import OnProgress, ignore_progress
from minortom.remote.http import is_url
from minortom.shards.layout import ATTRIBUTION, DATASET_FILE, LICENCE


@dataclass(frozen=True, kw_only=True)
class ExportSummary:
    """What an export made, and what it left out."""

    out: Path
    up_to_date: bool
    """Whether it was there already."""
    shards: int
    megabytes: float
    splits: dict[str, int]
    """Patches a split."""
    cells_missing: int
    """Selected cells that an archive lacks."""
    tiles_replaced: dict[str, int]
    """Tiles that a reserve stands in for, by reason: ``missing``, ``unreadable`` or ``no valid
    patch``. A reserve that is itself replaced counts too."""
    tally: Tally

    @property
    def tiles_not_replaced(self) -> int:
        """Selected tiles that gave no patch and have no reserve, or none that is usable."""
        unusable = self.tally.tiles_without_valid_patch + len(self.tally.tiles_unreadable)
        return self.cells_missing + unusable - sum(self.tiles_replaced.values())

    def as_dict(self) -> dict[str, object]:
        """Give all of it, for printing."""
        tally = asdict(self.tally)
        return {
            "out": str(self.out), "status": status(self.up_to_date),
            "patches": tally.pop("patches"),
            "splits": self.splits, "shards": self.shards, "megabytes": self.megabytes,
            "tiles": tally.pop("tiles"), "cells_missing": self.cells_missing,
            "tiles_replaced": self.tiles_replaced, "tiles_not_replaced": self.tiles_not_replaced,
            **tally,
        }  # fmt: skip


def export_selection(
    selection: Path,
    s2: str | Path,
    s1: str | Path,
    out: Path,
    *,
    options: ExportOptions | None = None,
    engine: EngineOptions | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> ExportSummary:
    """Cut the selected tiles of an archive into shards of patches.

    Reserves stand in for tiles that turn out unusable: missing, unreadable, or without a valid
    patch. Products that the selection names are used; else tiles are paired here.

    Args:
        selection: The output of ``minortom sample``.
        s2: Sentinel-2's product, such as Core-S2L2A, in Major TOM's layout: a folder or an address,
            see ``Archive.open``.
        s1: The same for Sentinel-1, such as Core-S1RTC.
        out: Folder to make; ``<out>.run.json`` beside it tells how it came about.
        options: What is made of the tiles; the defaults when None.
        engine: Where the work is done; the result does not depend on it. Workers of a cluster
            write into ``<out>.partial``, which all must see.
        overwrite: Replace shards, or unfinished work, that was made from something else.
        on_progress: Told of (tiles done, tiles in all).

    Raises:
        InputError: If the selection or an option is none, or no patch is for training.
        ArchiveError: If an archive is none, lacks cells, or gives no valid patch.
        RemoteError: If the network fails; the same call goes on from there.
        OutputExistsError: If ``out`` or ``<out>.partial`` was made from something else.
    """
    started, options, engine = now(), options or ExportOptions(), engine or EngineOptions()
    archives = (Archive.open(s2, "s2"), Archive.open(s1, "s1"))
    chosen = read_selection(selection)
    provenance = Provenance(
        command="export",
        options=options.recorded(),
        inputs={
            "selection": sha256_of(selection),
            "s2_metadata": sha256_of(archives[0].metadata_path),
            "s1_metadata": sha256_of(archives[1].metadata_path),
        },
        seed=options.seed,
        licences=licences_of(selection),
    )
    inputs = [selection, *(Path(place) for place in (s2, s1) if not is_url(str(place)))]
    there = is_up_to_date(out, provenance, inputs=inputs, overwrite=overwrite, record=DATASET_FILE)
    work = work_folder(out.absolute())  # workers of a cluster stand elsewhere
    if there and (found := _finished(out)):
        if is_left_by(work, provenance):  # stopped when all but tidying was done
            shutil.rmtree(work)
        return found
    plan = ExportPlan(
        chosen, pairs_of(chosen, archives), seed=options.seed,
        skip_missing=options.missing == Missing.SKIP,
    )  # fmt: skip
    job = ExportJob(work=work, archives=archives, options=options, provenance=provenance, plan=plan)
    tiles_per_shard(options)  # complains of a stride before anything is written
    with sole_writer(out):
        job.take_up(overwrite=overwrite)
        try:
            with opened_executor(engine) as executor:
                job.write_shards(executor, on_progress)
        except OSError as error:
            raise InputError(
                f"cannot write to {work}: {error.strerror or error}; "
                "the same command goes on from there once that is mended"
            ) from None
        job.finish(out)
    places = {archive.sensor: archive.place for archive in archives}  # without what is secret
    write_run_record(out, started, **asdict(engine), **places)
    return _summary(out, up_to_date=False)


def licences_of(selection: Path) -> tuple[str, ...]:
    """Give what shards inherit: the archive's licence, and those of the selection's maps."""
    return (f"Major TOM Core: {LICENCE}, {ATTRIBUTION}", *stored_licences(selection))


def _summary(out: Path, *, up_to_date: bool) -> ExportSummary:
    """Tell what the record of a finished export says."""
    record = json.loads((out / DATASET_FILE).read_text(encoding="utf-8"))
    return ExportSummary(
        out=out,
        up_to_date=up_to_date,
        shards=len(record["shards"]),
        megabytes=round(sum(entry["bytes"] for entry in record["shards"]) / 1e6, 1),
        splits=record["splits"],
        cells_missing=record["cells_missing"],
        tiles_replaced=dict(Counter(entry["reason"] for entry in record.get("replaced", []))),
        tally=Tally(**record["export"]),
    )


def _finished(out: Path) -> ExportSummary | None:
    """Tell of an export that is whole; None where a shard or the record is not as it was made.

    To make it again cannot hurt then.
    """
    try:
        found = _summary(out, up_to_date=True)
        shards = json.loads((out / DATASET_FILE).read_text(encoding="utf-8"))["shards"]
        return found if all((out / entry["file"]).is_file() for entry in shards) else None
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
