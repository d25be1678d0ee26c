"""Metrics and maps of a selection -> a folder with a page, pictures and numbers.

What is in it holds no path, host or time, so that the same inputs give the same bytes.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minortom.io.atomic_write import whole_folder, write_json
from minortom.io.provenance import KEY, Provenance, sha256_of
from minortom.io.up_to_date import is_up_to_date, now, status, stored_licences, write_run_record
from minortom.progress import OnProgress, ignore_progress
from minortom.reporting.comparison import Compared, compare
from minortom.reporting.inputs import Convergence, hash_of_convergence, read_convergence, read_input
from minortom.reporting.map import split_counts
from minortom.reporting.page import Told, page, pictures
from minortom.sampling.quotas import stored_requested_sizes

RECORD = "metrics.json"
PAGE = "report.html"
DRAWS = 20


def report_folder(
    selection: Path,
    annotated: Path,
    out: Path,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, Any]:
    """Write ``report.html``, ``metrics.json`` and PNGs into a folder.

    Args:
        selection: File of ``minortom sample``.
        annotated: The file that the selection was made from.
        out: The folder; it appears whole or not at all.
        draws: Random draws that the selection is held against.
        seed: Of the first random draw and of the farthest-point selection.
        overwrite: Whether to replace a folder made from something else.
        on_progress: Told how many sets are measured.

    Returns:
        The page's path, whether it was there already, and ``rows``: one a set.

    Raises:
        InputError: If an input cannot be used, or the selection is not of these tiles.
        OutputExistsError: If ``out`` exists and was made from something else.
    """
    started = now()
    convergence = read_convergence(selection)
    provenance = _provenance(selection, annotated, convergence, draws=draws, seed=seed)
    there = is_up_to_date(
        out, provenance, inputs=[selection, annotated], overwrite=overwrite, record=RECORD
    )
    if not there:
        source = read_input(selection, annotated)
        compared = compare(
            source.annotated,
            source.tiles,
            source.chosen,
            wanted=stored_requested_sizes(source.options, source.tiles.strata),
            draws=draws,
            seed=seed,
            on_progress=on_progress,
        )
        told = Told(source=source, compared=compared, convergence=convergence)
        with whole_folder(out) as folder:
            drawn = pictures(told)
            for name, picture in drawn.items():
                (folder / f"{name}.png").write_bytes(picture)
            (folder / PAGE).write_text(page(told, drawn, provenance), encoding="utf-8")
            splits = split_counts(source)
            write_json(folder / RECORD, _record(compared, splits, provenance))
        write_run_record(out, started)
    rows = json.loads((out / RECORD).read_text(encoding="utf-8"))["rows"]
    return {"out": str(out), "status": status(there), "report": str(out / PAGE), "rows": rows}


def _record(
    compared: Compared, splits: Mapping[str, int], provenance: Provenance
) -> dict[str, object]:
    """Lay out metrics.json; what a set is too small for is null."""
    rows = [{"set": name, **_plain(m.as_dict())} for name, m in compared.metrics.items()]
    spread = _plain({f"{name}_sd": value for name, value in compared.draws.sd.items()})
    for row in rows:
        if row["set"] == "random":
            row |= {"draws": compared.draws.number, **spread}
    return {
        "rows": rows,
        **({"splits": dict(splits)} if splits else {}),
        KEY: json.loads(provenance.to_json()),
    }


def _plain(values: Mapping[str, int | float]) -> dict[str, Any]:
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _provenance(
    selection: Path, annotated: Path, convergence: Convergence | None, *, draws: int, seed: int
) -> Provenance:
    inputs = {"selection": sha256_of(selection), "annotated": sha256_of(annotated)}
    if convergence:
        inputs["convergence"] = hash_of_convergence(convergence)
    licences = dict.fromkeys((*stored_licences(annotated), *stored_licences(selection)))
    return Provenance(
        command="report",
        options={"draws": draws},
        inputs=inputs,
        seed=seed,
        licences=tuple(licences),
    )
