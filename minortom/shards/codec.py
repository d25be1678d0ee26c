"""Compression of single tensors in a shard."""

from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.shards.formats import Codec

_HEADER_BYTES = 32
"""Length of the header of a Blosc2 chunk. It has the size of the content at byte 4 and the size of
the chunk at byte 12, little-endian
(https://www.blosc.org/c-blosc2/format/chunk_format.html)."""
_LEVEL = 5
"""Compression level. Higher levels make patches 3 % smaller and take twice as long to write."""


def check_codec(codec: Codec) -> None:
    """Check that the package of a codec is installed.

    Raises:
        InputError: If it is missing.
    """
    if codec == Codec.BLOSC2:
        _blosc2()


def packed(values: NDArray[np.generic], codec: Codec) -> list[bytes]:
    """Compress little-endian patches [patch, ...], each on its own.

    The bytes are the same on every machine, but can change with the version of Blosc2.
    """
    if codec == Codec.NONE:
        return [value.tobytes() for value in values]
    blosc2 = _blosc2()
    filters = [blosc2.Filter.NOFILTER] * 5 + [blosc2.Filter.BITSHUFFLE]
    return [
        blosc2.compress2(
            np.ascontiguousarray(value), codec=blosc2.Codec.LZ4, clevel=_LEVEL,
            typesize=value.dtype.itemsize, filters=filters, filters_meta=[0] * len(filters),
            nthreads=1,
        )
        for value in values
    ]  # fmt: skip


def unpacked(value: bytes, codec: Codec) -> bytes | bytearray:
    """Decompress a value of unknown length.

    Raises:
        ValueError: If it cannot be decompressed.
    """
    if codec == Codec.NONE:
        return value
    target = bytearray(_unpacked_bytes(value))
    unpack_into(value, memoryview(target), codec)
    return target


def unpack_into(value: memoryview | bytes, target: memoryview, codec: Codec) -> None:
    """Decompress a value into memory of the same length.

    Raises:
        ValueError: If the value has another length, or cannot be decompressed.
    """
    if codec == Codec.NONE:
        if len(value) != len(target):
            raise ValueError(f"a value should have {len(target)} bytes, found {len(value)}")
        target[:] = memoryview(value).cast("B")  # pyarrow gives signed bytes
        return
    found = _unpacked_bytes(value)
    if found != len(target):  # Blosc2 would write past the end of the target
        raise ValueError(f"a value should have {len(target)} bytes, found {found}")
    try:
        _blosc2().decompress2(value, dst=target, nthreads=1)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"a value cannot be decompressed ({error})") from None


def _unpacked_bytes(value: memoryview | bytes) -> int:
    """Return the length of a chunk's content, from its header."""
    if len(value) < _HEADER_BYTES or int.from_bytes(value[12:16], "little") != len(value):
        raise ValueError(f"a value of {len(value)} bytes is not a Blosc2 chunk")
    return int.from_bytes(value[4:8], "little")


@cache
def _blosc2() -> ModuleType:
    try:
        import blosc2
    except ImportError:
        raise InputError(
            "shards with the codec blosc2 need the package blosc2, which is not installed; run "
            "pip install 'minortom[blosc2]', or export with --codec none"
        ) from None
    return blosc2  # type: ignore[no-any-return]
