"""Records of `csmoe prune`, read for the pictures of `csmoe plot`."""

from pathlib import Path
from typing import Any

from minortom.errors import InputError
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY
from minortom.io.schema import (
    PROVENANCE,
    anything,
    count,
    list_of,
    map_of,
    number,
    optional,
    record,
    text,
)

PRUNING = "pruning.json"
"""Name of the record in the folder of a pruned model."""
_COST = record(params_trainable=count, macs_full=count)
_RECORD = record(
    by=text, sensors=list_of(text), calibrated=count,
    layers=list_of(
        record(
            layer=text, experts=list_of(count), scores=list_of(optional(number)),
            kept=list_of(count), specificity=optional(list_of(number)),
        )
    ),
    cost=record(before=_COST, after=_COST),
    drift=record(
        patches=count, held_out=anything, pruned=map_of(number),
        recovered=optional(map_of(number)),
    ),
    curve=list_of(record(experts=count, macs_full=count, drift=map_of(number))),
    **{KEY: PROVENANCE},
)  # fmt: skip


def read_pruning(path: Path) -> dict[str, Any]:
    """Read the record of a pruned model, from its folder or from the file.

    Raises:
        InputError: If there is no record of `csmoe prune`, or it is damaged.
    """
    file = path / PRUNING if path.is_dir() else path
    try:
        found = parse_json(file.read_text(encoding="utf-8"))
        _RECORD(found, "")
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected a record of `csmoe prune` in {file}, found none ({error}); give folders "
            "that it wrote"
        ) from None
    return dict(found)


def is_pruning(path: Path) -> bool:
    """Return whether a folder has a record of `csmoe prune` that is not damaged."""
    try:
        read_pruning(path)
    except InputError:
        return False
    return True
