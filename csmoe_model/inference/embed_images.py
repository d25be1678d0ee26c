"""Vectors of a user's images: any number of GeoTIFFs of any sizes and zones, one vector each."""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from csmoe_model.data.bands import channels
from csmoe_model.data.preprocess import check_size
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.extractors.load import load_extractor
from csmoe_model.inference.image_vectors import Vectors, encode_images
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.geoparquet import write_table
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.up_to_date import check_parquet, now
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

if TYPE_CHECKING:
    from minortom.scenes.geotiffs import BandStack
    from minortom.scenes.image_reader import ImageReader

_BATCH_SIZE = 64

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EmbedImagesResult(Result):
    """Result of `csmoe embed` for images."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """GeoParquet file with the vectors."""
    images: int
    """Images that were found."""
    width: int
    """Length of a vector."""


def embed_images(
    checkpoint: str | Path,
    sources: Sequence[Path],
    out: Path,
    *,
    reader: "ImageReader",
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> EmbedImagesResult:
    """Write a GeoParquet file with the vectors of images, and their outlines.

    A row has one vector: `s2`, `s1`, or `both` for the mean of the two. Features of an extractor
    without a common space of the sensors have one row an image. Images without a measured
    pixel in one of their bands are left out.

    Args:
        checkpoint: As `load_extractor` takes it.
        sources: Images, and folders that are searched for images.
        out: GeoParquet file to write.
        reader: Reader of the images.
        overwrite: Whether to replace an output that was made otherwise.
        on_progress: Called with (images done, images in all).

    Raises:
        InputError: If there are no images, or one of them cannot be read or does not fit the
            model.
        OutputExistsError: If `out` was made from something else.
    """
    # Imported here so that embedding shards does not load rasterio.
    from minortom.scenes.image_set import find_images

    started = now()
    check_parquet(out, "the vectors of images")
    images = find_images(sources)
    extractor = ready_extractor(checkpoint)
    fitted = reader.fitted([{"file": path} for path in images], sources[0])
    provenance = images_provenance("embed", extractor, images, sources, fitted)
    with artefact(
        out, provenance, inputs=[*extractor.folders, *sources], overwrite=overwrite, started=started
    ) as made:
        if not made.up_to_date:
            fitted.report()
            rows = [*image_rows(extractor, images, sources, fitted, on_progress)]
            write_table(_table(rows, provenance, sources), made.path)
    width = pq.read_schema(out).field("vector").type.list_size
    return EmbedImagesResult(status=made.status, out=out, images=len(images), width=width)


def ready_extractor(checkpoint: str | Path) -> Extractor:
    """Load an extractor that encodes without a fit.

    Raises:
        InputError: If the extractor does not exist or is damaged, or is not fitted.
    """
    extractor = load_extractor(checkpoint)
    if extractor.needs_fit:
        raise InputError(
            f"{extractor.name} must be fitted on training images, which only labelled sets and "
            "shards have, found none; embed shards with it, and give the folder of filters that "
            "`csmoe embed` writes beside their vectors"
        )
    return extractor


def images_provenance(
    command: str,
    extractor: Extractor,
    images: Sequence[Path],
    sources: Sequence[Path],
    reader: "ImageReader",
) -> Provenance:
    """Return the provenance of an output that an extractor computes from images."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(f"{_name(image, sources)}\n".encode())
        for file in reader.files(image):
            digest.update(sha256_of(file).encode())
    given = {"s2_bands": reader.s2_bands, "s1_bands": reader.s1_bands}
    return Provenance(
        command=command,
        options={
            **{name: list(bands) for name, bands in given.items() if bands}, **reader.record,
            **extractor.record,
        },
        inputs={"weights": extractor.sha256, "images": digest.hexdigest()},
        licences=extractor.licences,
    )  # fmt: skip


def _name(image: Path, sources: Sequence[Path]) -> str:
    """Return the path of an image in the folder that was given; else its name."""
    (source, *others) = sources
    if not others and source.is_dir() and image != source:
        return image.relative_to(source).as_posix()
    return str(image) if others else image.name


def image_rows(
    extractor: Extractor,
    images: Sequence[Path],
    sources: Sequence[Path],
    reader: "ImageReader",
    on_progress: OnProgress,
) -> Iterator[dict[str, Any]]:
    """Yield the columns of each vector, image by image.

    These are `file`, `epsg`, `height_px`, `width_px`, `outline`, `sensor` and `vector`. Images
    without a measured pixel in one of their bands are left out, with a warning.

    Raises:
        InputError: If an image cannot be read or does not fit the extractor.
    """
    done, empty, first = 0, [], images[0]
    width: int | None = None
    for start in range(0, len(images), _BATCH_SIZE):
        some = images[start : start + _BATCH_SIZE]
        stacks = [reader.read({"file": path}) for path in some]
        kept = []
        for path, found in zip(some, stacks, strict=True):
            _check(extractor, path, found)
            width = width or extractor.width_for(tuple(found))
            _check_width(extractor, tuple(found), width, paths=(first, path))
            if all(stack.valid.any(axis=(1, 2)).all() for stack in found.values()):
                kept.append((path, found))
            else:
                empty.append(path)
        pixels = [
            {sensor: (stack.names, stack.filled()) for sensor, stack in found.items()}
            for _, found in kept
        ]
        for (path, found), vectors in zip(kept, encode_images(extractor, pixels), strict=True):
            yield from _of_image(_name(path, sources), found, vectors)
        done += len(some)
        on_progress(done, len(images))
    if empty:
        _log.warning("left out %d image(s) without measured pixels, as %s", len(empty), empty[0])


def _check(extractor: Extractor, path: Path, found: Mapping[SensorName, "BandStack"]) -> None:
    """Check that an image has the sensors and bands of the extractor, and is large enough."""
    known = [sensor for sensor in found if sensor in extractor.sensors]
    extractor.check_sensors(known or tuple(found), str(path))
    for sensor in known:
        try:
            channels(sensor, found[sensor].names, wanted=extractor.bands[sensor])
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        check_size(
            found[sensor].values.shape[1:], smallest_px=extractor.smallest_px,
            name=extractor.name, where=f" in {path}",
        )  # fmt: skip


def _check_width(
    extractor: Extractor, found: tuple[SensorName, ...], width: int, *, paths: tuple[Path, Path]
) -> None:
    """Check that an image has a vector of the same length as the first one."""
    if extractor.width_for(found) != width:
        raise InputError(
            f"expected images of the same sensors, since {extractor.name} has {width} features of "
            f"{paths[0]}, found {extractor.width_for(found)} of {paths[1]}; embed them apart"
        )


def _of_image(
    name: str, found: Mapping[SensorName, "BandStack"], vectors: Vectors
) -> Iterator[dict[str, Any]]:
    from minortom.scenes.outlines import outline_of

    first = next(iter(found.values()))
    height, width = first.values.shape[1:]
    shared = {
        "file": name, "epsg": first.epsg, "height_px": height, "width_px": width,
        "outline": outline_of(first),
    }  # fmt: skip
    for sensor, vector in vectors.items():
        yield {**shared, "sensor": sensor, "vector": vector}


def _table(
    rows: Sequence[Mapping[str, Any]], provenance: Provenance, sources: Sequence[Path]
) -> pa.Table:
    check_measured(rows, sources)
    width = len(rows[0]["vector"])
    stacked = np.concatenate([row["vector"] for row in rows])
    vector = pa.FixedSizeListArray.from_arrays(pa.array(stacked), width)
    return outlined_rows(rows, {"vector": vector}, provenance)


def check_measured(rows: Sequence[Mapping[str, Any]], sources: Sequence[Path]) -> None:
    """Check that there is an image with measured pixels.

    Raises:
        InputError: If there is none.
    """
    if not rows:
        raise InputError(
            f"expected images with measured pixels in {sources[0]}, found none; give others"
        )


def outlined_rows(
    rows: Sequence[Mapping[str, Any]], more: Mapping[str, pa.Array], provenance: Provenance
) -> pa.Table:
    """Return rows of `image_rows` as a table with further columns and the outlines."""
    from minortom.scenes.outlines import with_outlines

    kinds = {
        "file": pa.string(), "sensor": pa.string(), "epsg": pa.int32(), "height_px": pa.int32(),
        "width_px": pa.int32(),
    }  # fmt: skip
    columns = {name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()}
    outlines = [row["outline"] for row in rows]
    return with_outlines(pa.table({**columns, **more}), outlines, provenance)
