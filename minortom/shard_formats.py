"""How shards may be written. Light: the command line reads its choices here."""

from enum import StrEnum


class Codec(StrEnum):
    """How each value of a tensor column is packed."""

    NONE = "none"
    BLOSC2 = "blosc2"
    """A chunk of Blosc2 a value: bits shuffled, then LZ4. Smaller to publish, slower to read."""
