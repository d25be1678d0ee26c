"""Content of `ensemble.json`: members, candidates that were left out, and the trace of gains."""

from collections.abc import Sequence
from typing import Any

from csmoe_model.ensembles.selection import Step
from csmoe_model.extractors.ensemble import Member
from csmoe_model.extractors.extractor import Sizes

Entry = dict[str, Any]


def member_entry(member: Member, sizes: Sizes) -> Entry:
    """Return what is known of a member before it is written.

    Args:
        member: The member.
        sizes: Height and width, by sensor, of the images that its cost is for.
    """
    extractor, seen = member.extractor, {sensor: sizes[sensor] for sensor in member.sensors}
    return {
        "name": member.name, "kind": extractor.kind, "sensors": list(member.sensors),
        "bands": {sensor: list(names) for sensor, names in member.bands.items()},
        "image_px": {sensor: list(size) for sensor, size in seen.items()},
        "width": extractor.width_of(member.sensors), **extractor.cost_of(seen).as_dict(),
        "sha256": extractor.sha256, "licences": list(extractor.licences),
    }  # fmt: skip


def trace_rows(steps: Sequence[Step], names: Sequence[str]) -> list[Entry]:
    """Return a row for each step of the selection."""
    return [
        {
            "candidate": names[step.candidate], "chosen": step.chosen, "gain": step.gain,
            "standard_error": step.standard_error, "explained": step.explained,
            "multiply_adds": step.multiply_adds,
            "gains": {names[number]: gain for number, gain in step.gains.items()},
        }
        for step in steps
    ]  # fmt: skip
