"""Results of `csmoe probe`, read for the pictures of `csmoe plot`."""

from pathlib import Path
from typing import Any

from csmoe_model.analysis.plot_files import Points
from csmoe_model.evaluation.tables import TITLES
from minortom.errors import InputError
from minortom.io.parse import parse_json

SHOWN_PROBES = ("logistic", "linear")
"""Probe of each of the two protocols that the pictures show."""
_RESULT = "result.json"


def read_probe(folder: Path) -> dict[str, Any]:
    """Read the result of a probe, from its folder or from the file.

    Raises:
        InputError: If there is no result of `csmoe probe`, or if it is one with few labels.
    """
    path = folder / _RESULT if folder.is_dir() else folder
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        _ = found["headline"], found["settings"]["pooling"], found["settings"]["macs_paper"]
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
