"""Folder of an ensemble.

config.json          kind, bands and provenance
ensemble.json        members with their costs, licences and hashes; the trace of gains
model.safetensors    statistics of each member's vectors
members/NAME/        a copy of each member that has files
trace.png            explained share of the labels' variance against the cost, if members were
                     selected
README.md            the card
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csmoe_model.checkpoints.hub import CARD, CONFIG
from csmoe_model.ensembles.card import ensemble_card
from csmoe_model.ensembles.gain_plot import TRACE_PLOT, draw_trace
from csmoe_model.ensembles.manifest import Entry
from csmoe_model.extractors.ensemble import MANIFEST, MEMBERS, Ensemble, member_files
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.extractors.random_convolutions import RandomConvolutions
from csmoe_model.extractors.stored import write_extractor
from minortom.api.results import Result
from minortom.io.atomic_write import write_json, write_text
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY, Provenance


@dataclass(frozen=True, kw_only=True)
class EnsembleResult(Result):
    """Result of `csmoe ensemble build` and `csmoe ensemble add`."""

    status: str
    """`written` or `up to date`."""
    out: Path
    """Folder of the ensemble."""
    members: list[dict[str, Any]]
    """Members in order: kind, sensors, bands, width, costs, licences, hashes."""
    rejected: list[dict[str, Any]]
    """Candidates that were left out."""
    trace: list[dict[str, Any]]
    """Steps of the selection, with the gain of each candidate."""
    width: int
    parameters: int
    multiply_adds: int
    """Cost of an image of the set."""
    minortom: dict[str, Any]
    """Provenance."""

    def shown(self) -> list[dict[str, object]]:
        """Return a table row for each member and each candidate that was left out."""
        # A candidate that was left out may have been added later, which measures no gain.
        chosen = {row["candidate"]: row for row in self.trace if row["chosen"]}
        tried = {row["candidate"]: row for row in self.trace if not row["chosen"]}
        gains = self.trace[-1]["gains"] if self.trace else {}
        rows: list[dict[str, object]] = []
        for entry, is_member in [(e, True) for e in self.members] + [
            (e, False) for e in self.rejected
        ]:
            step = (chosen if is_member else tried).get(entry["name"], {})
            gain = step.get("gain", None if is_member else gains.get(entry["name"]))
            rows.append({
                "member": entry["name"], "kind": entry["kind"], "chosen": is_member,
                "gain %": _percent(gain), "standard error %": _percent(step.get("standard_error")),
                "explained %": _percent(step.get("explained") if is_member else None),
                "M parameters": entry["parameters"] / 1e6,
                "G multiply-adds": entry["multiply_adds"] / 1e9,
            })  # fmt: skip
        return rows


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def read_result(folder: Path, status: str) -> EnsembleResult:
    """Return the result of a written ensemble."""
    manifest = parse_json((folder / MANIFEST).read_text(encoding="utf-8"))
    config = parse_json((folder / CONFIG).read_text(encoding="utf-8"))
    members = manifest["members"]
    return EnsembleResult(
        status=status, out=folder, members=members, rejected=manifest["rejected"],
        trace=manifest["trace"], minortom=config[KEY],
        **{key: sum(one[key] for one in members)
           for key in ("width", "parameters", "multiply_adds")},
    )  # fmt: skip


def write_ensemble(
    folder: Path, ensemble: Ensemble, manifest: Mapping[str, Any], provenance: Provenance
) -> None:
    """Write the files of an ensemble into an existing folder, its members among them.

    Args:
        folder: The folder.
        ensemble: The ensemble.
        manifest: Content of `ensemble.json`, without the files of the members.
        provenance: How it was made.
    """
    entries: list[Entry] = []
    for member, entry in zip(ensemble.members, manifest["members"], strict=True):
        place = folder / MEMBERS / member.name
        _write_member(place, member.extractor, provenance)
        files = member_files(place) if place.exists() else None
        entries.append({**entry, "files": files})
    whole = {**manifest, "members": entries}
    write_json(folder / MANIFEST, whole)
    write_extractor(folder, ensemble, {}, ensemble.tensors(), provenance)
    if manifest["trace"]:
        draw_trace(whole, folder / TRACE_PLOT)
    write_text(folder / CARD, ensemble_card(ensemble, whole, provenance))


def _write_member(place: Path, extractor: Extractor, provenance: Provenance) -> None:
    """Copy the folder of a member, or store what was fitted; nothing for features without files."""
    if extractor.folder is not None:
        shutil.copytree(extractor.folder, place)
    elif isinstance(extractor, RandomConvolutions):
        place.mkdir(parents=True)
        extractor.save(place, provenance)
