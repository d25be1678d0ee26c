"""How shards may be written. Light: the command line reads its choices here."""

from enum import StrEnum


class Format(StrEnum):
    """What kind of files shards are."""

    PARQUET = "parquet"
    WEBDATASET = "webdataset"
    """Tars, for trainers that read those; ours does not."""

    @property
    def suffix(self) -> str:
        """Give the end of a shard's name."""
        return ".tar" if self is Format.WEBDATASET else ".parquet"


class Codec(StrEnum):
    """How each value of a tensor column is packed."""

    NONE = "none"
    BLOSC2 = "blosc2"
    """A chunk of Blosc2 a value: bits shuffled, then LZ4. Smaller to publish, slower to read."""
