"""What can be chosen about an export. Light: the command line reads its defaults here."""

from dataclasses import asdict, dataclass
from enum import StrEnum

DEFAULT_RATE_MB_S = 100.0
"""Megabytes a second at which a forecast lets the archives be read: a gigabit link, nearly."""


class Missing(StrEnum):
    """What to do about selected cells that an archive lacks."""

    ERROR = "error"
    SKIP = "skip"


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What is made of the selected tiles. All of it changes the shards."""

    missing: Missing = Missing.ERROR
    """Whether selected cells that an archive lacks, and that no reserve replaces, are an error or
    skipped."""
    patch_px: int = 120
    """Side of a patch in 10 m pixels, even; by default 8 × 8 in a cell, as the paper has it."""
    shard_bytes: int = 10**9
    """Size of a shard's tensors if all patches are valid."""
    seed: int = 0
    """Draws the order of patches, and the split where the selection has none."""

    def recorded(self) -> dict[str, object]:
        """Give what goes into the provenance, by its name on the command line; without the seed."""
        chosen = asdict(self)
        del chosen["seed"]
        chosen["patch_size"] = chosen.pop("patch_px")
        return chosen | {"missing": str(self.missing)}
