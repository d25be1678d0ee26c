"""Predictions for the patches of shards and for images, one row each.

Axes, as name suffixes:
    n  images    K  classes
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from csmoe_model.finetuning.classifier import Classifier
from csmoe_model.finetuning.head_files import HeadRecord
from csmoe_model.inference.embed_images import (
    check_measured,
    image_rows,
    images_provenance,
    outlined_rows,
)
from csmoe_model.inference.embed_shards import Vectors, shards_provenance, write_patches
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.geoparquet import write_table
from minortom.io.up_to_date import check_parquet, now
from minortom.progress import OnProgress
from minortom.shards.shard_set import ShardSet

if TYPE_CHECKING:
    from minortom.scenes.image_reader import ImageReader

_WHERE = ("grid_cell", "patch_row", "patch_col", "split")
_COMMAND = "predict"


@dataclass(frozen=True, kw_only=True)
class PredictTableResult(Result):
    """Result of `csmoe predict` for shards or images."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """GeoParquet file with the predictions."""
    images: int
    """Patches or images with a prediction."""
    classes: tuple[str, ...]


def predict_shards(
    classifier: Classifier, shards: Path, out: Path, *, overwrite: bool, workers: int | None,
    on_progress: OnProgress,
) -> PredictTableResult:  # fmt: skip
    """Write a GeoParquet file with the class of each patch of shards, in their order.

    Raises:
        InputError: If the shards do not have the sensors or bands of the checkpoint, or the head
            classifies pixels.
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If `out` was made from something else.
    """
    started = now()
    check_parquet(out, "the classes of patches")
    _check_head(classifier.head)
    data = ShardSet.open(shards)
    provenance = shards_provenance(_COMMAND, classifier, data)
    with artefact(
        out, provenance, inputs=[*classifier.folders, shards], overwrite=overwrite, started=started
    ) as made:
        if not made.up_to_date:
            write_patches(
                classifier, data, made.path, provenance, workers=workers, on_progress=on_progress,
                rows_of=partial(_patch_rows, classifier.head),
            )  # fmt: skip
    return _result(made.status, out, classifier.head)


def predict_images(
    classifier: Classifier, sources: Sequence[Path], out: Path, *, reader: "ImageReader",
    overwrite: bool, on_progress: OnProgress,
) -> PredictTableResult:  # fmt: skip
    """Write a GeoParquet file with the class of each image, and its outline.

    Images without a measured pixel in one of their bands are left out.

    Raises:
        InputError: If there are no images, one of them cannot be read or does not fit the
            checkpoint, or the head classifies pixels.
        OutputExistsError: If `out` was made from something else.
    """
    # Imported here so that predictions for shards do not load rasterio.
    from minortom.scenes.image_set import find_images

    started = now()
    check_parquet(out, "the classes of images")
    _check_head(classifier.head)
    images = find_images(sources)
    fitted = reader.fitted([{"file": path} for path in images], sources[0])
    provenance = images_provenance(_COMMAND, classifier, images, sources, fitted)
    with artefact(
        out, provenance, inputs=[*classifier.folders, *sources], overwrite=overwrite,
        started=started,
    ) as made:  # fmt: skip
        if not made.up_to_date:
            fitted.report()
            rows = [*image_rows(classifier, images, sources, fitted, on_progress)]
            check_measured(rows, sources)
            score_nK = np.stack([row["vector"] for row in rows])
            columns = _class_columns(classifier.head, score_nK)
            write_table(outlined_rows(rows, columns, provenance), made.path)
    return _result(made.status, out, classifier.head)


def _check_head(head: HeadRecord) -> None:
    if head.is_dense:
        raise InputError(
            "one class an image needs a checkpoint that was fine-tuned on image labels, found a "
            "segmentation head, which classifies pixels; give scenes, and --out with the suffix "
            ".tif or a folder"
        )


def _patch_rows(head: HeadRecord, metadata: pa.Table, vectors: Vectors) -> pa.Table:
    (score_nK,) = vectors.values()
    table = metadata.select(_WHERE)
    for name, column in _class_columns(head, score_nK).items():
        table = table.append_column(name, column)
    for name in ("lat", "lon"):
        table = table.append_column(name, metadata[name])
    return table.combine_chunks()


def _class_columns(head: HeadRecord, score_nK: NDArray[np.float32]) -> dict[str, pa.Array]:
    """Return `class`, and `score_<class>` with the probability of each class.

    For several labels `class` is the list of those with a probability above one half.
    """
    names = np.array([*head.classes, None], object)[:-1]
    found: pa.Array
    if head.task == "multilabel":
        lists = [names[row].tolist() for row in score_nK > 0.5]
        found = pa.array(lists, pa.list_(pa.string()))
    else:
        found = pa.array(names[score_nK.argmax(1)].tolist(), pa.string())
    scores = {
        f"score_{name}": pa.array(score_nK[:, k], pa.float32())
        for k, name in enumerate(head.classes)
    }
    return {"class": found, **scores}


def _result(status: str, out: Path, head: HeadRecord) -> PredictTableResult:
    count = int(pq.read_metadata(out).num_rows)
    return PredictTableResult(status=status, out=out, images=count, classes=head.classes)
