"""Shards as tar files, for trainers that use the ``webdataset`` library.

The files of a sample share a key, which names its cell, row and column: one ``.npy`` file for each
tensor, and a ``.json`` file with the metadata. The bytes depend on the samples alone: the tar holds
no times, owners or file permissions.
"""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.io.parse import parse_json
from minortom.shards.layout import SampleSpec

METADATA_SUFFIX = "json"

Row = tuple[dict[str, Any], dict[str, NDArray[np.generic]]]
"""The metadata of a sample, and its tensors."""


class TarWriter:
    """Writes one shard; memory holds the patches of one call of `append`."""

    def __init__(self, path: Path, *, spec: SampleSpec) -> None:
        """Start a file at ``path``; use as a context manager."""
        self._spec = spec
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    def __enter__(self) -> "TarWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tar.close()

    def append(self, tensors: Mapping[str, NDArray[np.generic]], metadata: pa.Table) -> None:
        """Append patches in order: their tensors, and a table of ``SampleSpec.metadata_schema``."""
        schema = self._spec.metadata_schema
        metadata = metadata.select(schema.names).cast(schema)
        self._spec.check_tensors(tensors, len(metadata))
        for number, row in enumerate(metadata.to_pylist()):
            key = sample_key(row)
            for group in self._spec.groups:
                patch = tensors[group.column][number]
                little = np.ascontiguousarray(patch, patch.dtype.newbyteorder("<"))
                self._add(f"{key}.{group.column}.npy", _npy(little))
            self._add(f"{key}.{METADATA_SUFFIX}", json.dumps(row, default=_iso).encode())

    def _add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)  # with time 0 and owner 0
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))


def sample_key(row: Mapping[str, Any]) -> str:
    """Return the key of a sample, such as ``12U_3R_0_7``: its file names up to the first dot."""
    return f"{row['grid_cell']}_{row['patch_row']}_{row['patch_col']}"


def tar_rows(path: Path, spec: SampleSpec, *, tensors: bool) -> Iterator[Row]:
    """Read the samples of a shard in order.

    Args:
        path: The shard.
        spec: Definition of a sample.
        tensors: Whether to read the tensors, too, or the metadata alone.

    Raises:
        ValueError: If files of a sample are missing, unexpected or damaged.
        OSError: If the shard cannot be read.
    """
    wanted = [f"{group.column}.npy" for group in spec.groups] + [METADATA_SUFFIX]
    try:
        with tarfile.open(path, "r:") as tar:
            while (first := tar.next()) is not None:
                members = [first, *(tar.next() for _ in wanted[1:])]
                key = first.name.split(".")[0]
                names = [member and member.name for member in members]
                if names != [f"{key}.{suffix}" for suffix in wanted]:
                    raise ValueError(f"a sample must have the files {wanted}, found {names}")
                *parts, last = (_data(tar, m) if tensors or m is members[-1] else b""
                                for m in members)  # fmt: skip
                row = parse_json(last)
                if not isinstance(row, dict):
                    raise ValueError(f"{key}.{METADATA_SUFFIX} has no JSON object")
                if set(row) != set(spec.metadata_schema.names) or sample_key(row) != key:
                    raise ValueError(f"{key}.{METADATA_SUFFIX} has the metadata of another sample")
                patches = {}
                if tensors:
                    for group, part in zip(spec.groups, parts, strict=True):
                        patches[group.column] = _patch(part, group.column, spec, key)
                yield row, patches
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"the tar is damaged: {error}") from None


def _data(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> bytes:
    stream = None if member is None else tar.extractfile(member)
    if stream is None:
        raise ValueError("a member of the tar is not a file")
    return stream.read()


def _patch(data: bytes, column: str, spec: SampleSpec, key: str) -> NDArray[np.generic]:
    """Read a ``.npy`` file as `_npy` writes it; any other header counts as damage."""
    dtype = np.dtype(spec.group(column).dtype)
    patch = np.zeros(spec.shape(column), dtype.newbyteorder("<"))
    header = _npy(patch)[: -patch.nbytes]
    if not data.startswith(header) or len(data) != len(header) + patch.nbytes:
        raise ValueError(f"{column} of {key} is not a .npy file of {dtype} {patch.shape}")
    patch.data.cast("B")[:] = data[len(header) :]
    return patch.astype(dtype, copy=False)


def _npy(patch: NDArray[np.generic]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, patch, version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def _iso(value: object) -> str:
    assert isinstance(value, datetime), value
    return value.isoformat()
