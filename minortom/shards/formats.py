"""File formats and codecs of shards.

This module imports nothing heavy, so that the command line can read its choices here.
"""

from enum import StrEnum


class Format(StrEnum):
    """File format of shards."""

    PARQUET = "parquet"
    WEBDATASET = "webdataset"
    """Tar files for trainers that use the webdataset library; `csmoe train` cannot read them."""

    @property
    def suffix(self) -> str:
        """Suffix of the file name of a shard."""
        return ".tar" if self is Format.WEBDATASET else ".parquet"


class Codec(StrEnum):
    """Compression of each value of a tensor column."""

    NONE = "none"
    BLOSC2 = "blosc2"
    """One Blosc2 chunk for each value: bit shuffle, then LZ4. Smaller, and slower to read."""
