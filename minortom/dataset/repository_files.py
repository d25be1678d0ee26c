"""Files that describe a published data set: card, map, Croissant record and ``dataset.json``.

They are written beside the shards of the repository, never into the user's folder.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minortom.dataset.card import CARD, data_card
from minortom.dataset.croissant import CROISSANT, croissant_record
from minortom.dataset.verify import verify
from minortom.errors import InputError, ShardError
from minortom.io.atomic_write import write_json
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY
from minortom.shards.layout import DATASET_FILE
from minortom.shards.record import read_record
from minortom.shards.shard_set import ShardSet

MAP = "map.png"
_METRICS = "metrics.json"  # in the folder of a report


def checked_record(shards: Path) -> dict[str, Any]:
    """Check a folder of shards quickly and return its record.

    Raises:
        ShardError: If something is wrong with the shards.
    """
    record = read_record(shards)
    problems = verify(shards).problems
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise ShardError(
            f"{shards} is damaged and was not published: {problems[0]}{more}; run `minortom "
            "verify` to list all problems"
        )
    return record


def write_description(
    folder: Path, shards: Path, record: Mapping[str, Any], repository: str, report: Path | None
) -> dict[str, Path]:
    """Write all files of a repository except the shards; return their paths by name.

    Args:
        folder: Folder to write to.
        shards: Folder of shards.
        record: All of ``dataset.json``.
        repository: As ``user/name``, for the card.
        report: Folder of ``minortom report``; its table goes into the card.

    Raises:
        InputError: If the folder is not a report, or the report is of another selection.
    """
    rows = _report_rows(report, record) if report else ()
    card = data_card(record, place=repository, picture=MAP, report=rows)
    (folder / CARD).write_text(card, encoding="utf-8")
    url = f"https://huggingface.co/datasets/{repository}"
    name = repository.partition("/")[2]
    write_json(folder / CROISSANT, croissant_record(record, name=name, url=url))
    (folder / MAP).write_bytes(_map_of(shards))
    (folder / DATASET_FILE).write_bytes((shards / DATASET_FILE).read_bytes())
    return {name: folder / name for name in (CARD, CROISSANT, MAP, DATASET_FILE)}


def _map_of(shards: Path) -> bytes:
    """Draw a map of the tiles, each at its first patch."""
    from minortom.plotting.density_map import density_map

    table = ShardSet.open(shards).metadata(["grid_cell", "lat", "lon"])
    cells = table.group_by("grid_cell", use_threads=False).aggregate(
        [("lat", "first"), ("lon", "first")]
    )
    points = (cells["lon_first"].to_numpy(), cells["lat_first"].to_numpy())
    return density_map({f"{len(cells):,} tiles": points}, annotated=points)


def _report_rows(report: Path, record: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Read the rows of a report on the selection that the shards were exported from."""
    path = report / _METRICS
    try:
        metrics = parse_json(path.read_text(encoding="utf-8"))
        rows, selection = list(metrics["rows"]), metrics[KEY]["inputs"]["selection"]
        _ = [row["set"] for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"expected a folder of `minortom report` with a {_METRICS}, found {report}; run the "
            "report again, or leave out --report"
        ) from None
    if record[KEY].get("inputs", {}).get("selection") != selection:
        raise InputError(
            f"{report} is a report on another selection than that of the shards; run `minortom "
            "report` on the selection that they were exported from"
        )
    return rows
