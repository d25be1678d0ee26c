"""Tensors to the bytes that a shard holds of them, and back."""

from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.shards.formats import Codec

_HEADER_BYTES = 32
"""Of a Blosc2 chunk: little-endian sizes of what is packed at 4, and of the chunk at 12
(https://www.blosc.org/c-blosc2/format/chunk_format.html)."""
_LEVEL = 5
"""Higher levels pack patches 3 % smaller and take twice as long to write."""


def check_codec(codec: Codec) -> None:
    """Make sure that what the codec needs is installed.

    Raises:
        InputError: If it is not.
    """
    if codec == Codec.BLOSC2:
        _blosc2()


def packed(values: NDArray[np.generic], codec: Codec) -> list[bytes]:
    """Pack each of some little-endian patches [patch, ...], on its own.

    The bytes are the same on every machine, but may change with the version of Blosc2.
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
    """Unpack a value whose length is not known.

    Raises:
        ValueError: If it cannot be unpacked.
    """
    if codec == Codec.NONE:
        return value
    target = bytearray(_unpacked_bytes(value))
    unpack_into(value, memoryview(target), codec)
    return target


def unpack_into(value: memoryview | bytes, target: memoryview, codec: Codec) -> None:
    """Unpack a value into as many bytes as it has.

    Raises:
        ValueError: If it has another length, or cannot be unpacked.
    """
    if codec == Codec.NONE:
        if len(value) != len(target):
            raise ValueError(f"a value has {len(value)} bytes, wanted {len(target)}")
        target[:] = memoryview(value).cast("B")  # pyarrow has signed bytes
        return
    found = _unpacked_bytes(value)
    if found != len(target):  # Blosc2 would write beyond the end of the target
        raise ValueError(f"a value has {found} bytes, wanted {len(target)}")
    try:
        _blosc2().decompress2(value, dst=target, nthreads=1)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"a value cannot be unpacked ({error})") from None


def _unpacked_bytes(value: memoryview | bytes) -> int:
    """Read in a chunk's header how long its content is."""
    if len(value) < _HEADER_BYTES or int.from_bytes(value[12:16], "little") != len(value):
        raise ValueError(f"a value of {len(value)} bytes is no chunk of Blosc2")
    return int.from_bytes(value[4:8], "little")


@cache
def _blosc2() -> ModuleType:
    try:
        import blosc2
    except ImportError:
        raise InputError(
            "shards with the codec blosc2 need the package blosc2, which is not installed; "
            "pip install 'minortom[blosc2]', or export with --codec none"
        ) from None
    return blosc2  # type: ignore[no-any-return]
