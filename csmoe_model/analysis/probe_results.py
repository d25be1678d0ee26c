"""Results of `csmoe probe`, read for the pictures of `csmoe plot`."""

from pathlib import Path
from typing import Any

from csmoe_model.analysis.plot_files import Points
from csmoe_model.evaluation.tables import TITLES
from minortom.errors import InputError
from minortom.io.parse import parse_json
from minortom.io.schema import anything, list_of, map_of, number, record, text

SHOWN_PROBES = ("logistic", "linear", "dense")
"""Probes that the pictures show: of each of the two protocols, and of segmentation sets."""
_RESULT = "result.json"
_ROW = record(probe=text, features=text, scores=map_of(anything))
_RESULT_SCHEMA = record(
    headline=text, data=text, rows=list_of(_ROW),
    settings=record(recipe=text, sensors=list_of(text)),
)  # fmt: skip
_INTERVAL = record(value=number, low=number, high=number)


def read_probe(folder: Path) -> dict[str, Any]:
    """Read the result of a probe, from its folder or from the file.

    Raises:
        InputError: If there is no result of `csmoe probe`, or if it is one with few labels or
            without a row that the pictures show.
    """
    path = folder / _RESULT if folder.is_dir() else folder
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        _ = found["settings"]["pooling"], found["settings"]["macs_paper"]
        _RESULT_SCHEMA(found, "")
        for position, row in enumerate(found["rows"]):
            if row["probe"] in SHOWN_PROBES:
                _INTERVAL(row["scores"][found["headline"]], f"rows[{position}].scores")
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"expected a result of this version's `csmoe probe`, found no result in {path}; give "
            "folders that it wrote"
        ) from None
    if found["settings"].get("shots"):
        raise InputError(
            f"expected a result with all labels, found one with few labels (--shots) in {path}, "
            "which no figure of the paper has; leave it out"
        )
    probes = list(dict.fromkeys(row["probe"] for row in found["rows"]))
    if not set(probes) & set(SHOWN_PROBES):
        raise InputError(
            f"expected a result of `csmoe probe` with rows of {', '.join(SHOWN_PROBES)}, found "
            f"rows of {', '.join(probes) or 'no probe'} in {path}; leave it out"
        )
    return dict(found)


def probe_points(result: dict[str, Any]) -> Points:
    """Return one point for each kind of features: its score in %, with its interval."""
    headline, settings = result["headline"], result["settings"]
    points: Points = []
    for row in result["rows"]:
        if row["probe"] not in SHOWN_PROBES:
            continue
        percent = {name: 100 * value for name, value in row["scores"][headline].items()}
        points.append(
            {
                "data": result["data"], "features": row["features"], "from": settings["recipe"],
                "score": TITLES[headline], "sensors": settings["sensors"],
                "percent": percent["value"], "low": percent["low"], "high": percent["high"],
            }
        )  # fmt: skip
    return points
