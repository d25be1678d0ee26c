"""What can be chosen about an export. Light: the command line reads its defaults here."""

from enum import StrEnum

DEFAULT_PATCH_PX = 120
"""Side of a patch in 10 m pixels: 8 × 8 of them in a cell, as the paper has it."""
DEFAULT_SHARD_BYTES = 10**9


class Missing(StrEnum):
    """What to do about selected cells that an archive lacks."""

    ERROR = "error"
    SKIP = "skip"
