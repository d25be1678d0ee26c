"""The public function ``report``: a folder with a page, pictures and the measures.

The folder has no path, host or time, so that the same inputs give the same bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minortom.api.arguments import path_of, whole_number
from minortom.api.results import Result, Shown
from minortom.io.artefact import artefact
from minortom.io.atomic_write import write_json
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY, Provenance, sha256_of
from minortom.io.up_to_date import stored_licences
from minortom.progress import OnProgress, ignore_progress
from minortom.reporting.comparison import Comparison, compare
from minortom.reporting.inputs import (
    REPORT_COLUMNS,
    Convergence,
    hash_of_convergence,
    read_convergence,
    read_input,
)
from minortom.reporting.map import split_counts
from minortom.reporting.page import PageContent, page, pictures
from minortom.sampling.quotas import stored_requested_sizes

RECORD = "metrics.json"
PAGE = "report.html"


@dataclass(frozen=True, kw_only=True)
class ReportResult(Result):
    """The folder of a report, and the measures of each set."""

    out: Path
    """The folder."""
    status: str
    """``written`` or ``up to date``."""
    report: Path
    """The page."""
    rows: tuple[Mapping[str, Any], ...]
    """Measures of each set: ``full``, the baselines of ``sample --method``, and ``selection``."""

    def shown(self) -> Shown:
        """Return the rows, one a set."""
        return self.rows


def report(
    selection: str | Path,
    *,
    annotated: str | Path,
    out: str | Path,
    draws: int = 20,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> ReportResult:
    """Measure and map a selection, beside the full set, random draws and the other baselines.

    ``minortom.metrics`` returns the measures without a report.

    Args:
        selection: Output of ``sample``.
        annotated: The file that the selection was made from.
        out: Folder for ``report.html``, ``metrics.json`` and PNG files; it appears complete or
            not at all.
        draws: Random draws that the selection is compared with.
        seed: Seed of the first random draw and of the other baselines.
        overwrite: Whether to replace a folder with another provenance.
        on_progress: Called with (sets measured, all sets).

    Raises:
        InputError: If an input cannot be used, or the selection has other tiles or strata.
        OutputExistsError: If ``out`` exists with another provenance and ``overwrite`` is false.
    """
    selection, annotated = path_of("selection", selection), path_of("annotated", annotated)
    out = path_of("out", out)
    draws = whole_number("draws", draws, minimum=1)
    seed = whole_number("seed", seed, minimum=0)
    convergence = read_convergence(selection)
    provenance = _provenance(selection, annotated, convergence, draws=draws, seed=seed)
    inputs = [selection, annotated]
    with artefact(out, provenance, inputs=inputs, overwrite=overwrite, record=RECORD) as made:
        if made.up_to_date:
            rows = parse_json((out / RECORD).read_text(encoding="utf-8"))["rows"]
        else:
            source = read_input(selection, annotated, columns=REPORT_COLUMNS)
            comparison = compare(
                source.annotated,
                source.tiles,
                source.chosen,
                kept=source.kept,
                wanted=stored_requested_sizes(source.options, source.tiles.strata),
                draws=draws,
                seed=seed,
                on_progress=on_progress,
            )
            content = PageContent(source=source, comparison=comparison, convergence=convergence)
            rows = _rows(comparison)
            _write(made.path, content, rows, provenance)
    return ReportResult(out=out, status=made.status, report=out / PAGE, rows=tuple(rows))


def _write(
    folder: Path, content: PageContent, rows: list[dict[str, Any]], provenance: Provenance
) -> None:
    drawn = pictures(content)
    for name, picture in drawn.items():
        (folder / f"{name}.png").write_bytes(picture)
    (folder / PAGE).write_text(page(content, drawn, provenance), encoding="utf-8")
    splits = split_counts(content.source)
    record = {
        "rows": rows,
        **({"splits": splits} if splits else {}),
        KEY: provenance.as_dict(),
    }
    write_json(folder / RECORD, record)


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the measures of each set; a measure that the set is too small for is None."""
    return [
        {"set": name, **(comparison.draws if name == "random" else found).as_dict()}
        for name, found in comparison.metrics.items()
    ]


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
