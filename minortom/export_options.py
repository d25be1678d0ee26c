"""What can be chosen about an export. Light: the command line reads its defaults here."""

from enum import StrEnum

DEFAULT_PATCH_PX = 120
"""Side of a patch in 10 m pixels: 8 × 8 of them in a cell, as the paper has it."""
DEFAULT_SHARD_BYTES = 10**9
DEFAULT_RATE_MB_S = 100.0
"""Megabytes a second at which a forecast lets the archives be read: a gigabit link, nearly."""


class Missing(StrEnum):
    """What to do about selected cells that an archive lacks."""

    ERROR = "error"
    SKIP = "skip"
