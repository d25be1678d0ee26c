"""Maps of classes of scenes, from overlapping tiles whose probabilities are blended.

Axes, as name suffixes:
    B  tiles of a batch    C  bands    H W  pixel rows and columns    K  classes
    R  rows of the map     N  pixels of the map in a tile    T  tokens of a tile, [CLS] first
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from csmoe_model.distributed.device import fast_inference
from csmoe_model.finetuning.classifier import Classifier
from csmoe_model.finetuning.objective import probabilities
from csmoe_model.inference.embed_scene import (
    SceneOptions,
    scene_channels,
    scene_provenance,
    tile_side,
)
from csmoe_model.inference.scene_encoder import SceneEncoder
from csmoe_model.inference.scene_features import feature_rows
from csmoe_model.inference.tile_grid import FloatArray, TileGrid
from csmoe_model.probing.dense_training import at_size
from minortom.api.results import Result
from minortom.io.artefact import artefact
from minortom.io.provenance import Provenance
from minortom.io.up_to_date import check_raster, now
from minortom.progress import OnProgress
from minortom.sensors import SensorName

if TYPE_CHECKING:
    from minortom.scenes.class_raster import Codes
    from minortom.scenes.scene import OpenScene


@dataclass(frozen=True, kw_only=True)
class PredictSceneResult(Result):
    """Result of `csmoe predict` for a scene."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """GeoTIFF: codes of classes; for several labels a band with the probability of each."""
    rows: int
    """Rows of the map."""
    columns: int
    """Columns of the map."""
    pixel_px: float
    """Side of a pixel of the map, in pixels of the scene."""
    tiles: int
    """Tiles of the scene."""
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PredictScenesResult(Result):
    """Result of `csmoe predict` for several scenes."""

    out: Path
    """Folder with the maps."""
    scenes: list[PredictSceneResult]
    """Result of each scene."""

    def shown(self) -> list[dict[str, Any]]:
        """Return a row for each scene."""
        return [scene.as_dict() for scene in self.scenes]


def predict_scene(
    classifier: Classifier, scene: "OpenScene", out: Path, *, options: SceneOptions,
    overwrite: bool, on_progress: OnProgress,
) -> PredictSceneResult:  # fmt: skip
    """Write the map of the classes of a scene as a GeoTIFF.

    A segmentation head gives a class to each pixel of the scene, another head to each patch of the
    encoder. Where tiles overlap, their probabilities are blended as `csmoe embed` blends features.
    A pixel of the map of which less than half was measured has no class.

    Raises:
        InputError: If the scene lacks sensors or bands of the checkpoint, is too small, has pixels
            of another size than those of training, is damaged, or has no measured pixel.
        OutputExistsError: If `out` was made from something else.
    """
    check_raster(out)
    started = now()
    classifier.check_sensors(tuple(scene.bands), "the scene")
    tile_px = tile_side(scene, options.tile_px)
    tokens = classifier.network.encoder.config.grid_size
    grid = options.grid(
        scene, tile_px=tile_px, tile_tokens=tile_px if classifier.head.is_dense else tokens,
        name=classifier.name,
    )  # fmt: skip
    rows = feature_rows(
        scene, grid, TileClassifier(classifier=classifier, tile_px=tile_px),
        channels=scene_channels(scene, classifier.bands), width=len(classifier.head.classes),
        on_progress=on_progress,
    )  # fmt: skip
    provenance = scene_provenance("predict", classifier, scene, grid)
    with artefact(
        out, provenance, inputs=[*classifier.folders, *scene.files], overwrite=overwrite,
        started=started, in_place=True,
    ) as made:  # fmt: skip
        if not made.up_to_date:
            scene.radiometry.report()
            _write(out, rows, classifier, scene, grid, provenance)
    return PredictSceneResult(
        status=made.status, out=out, rows=grid.rows, columns=grid.cols,
        pixel_px=float(grid.token_px), tiles=len(grid.tops) * len(grid.lefts),
        classes=classifier.head.classes,
    )  # fmt: skip


def _write(
    out: Path, rows: Iterator[FloatArray], classifier: Classifier, scene: "OpenScene",
    grid: TileGrid, provenance: Provenance,
) -> None:  # fmt: skip
    """Write the blended probabilities, or the codes of the most probable classes."""
    # Imported here so that predictions for shards do not load rasterio.
    from minortom.scenes.class_raster import write_class_raster
    from minortom.scenes.feature_raster import write_feature_raster

    shape, token_px, classes = (grid.rows, grid.cols), float(grid.token_px), classifier.head.classes
    if classifier.head.task == "multilabel":
        write_feature_raster(
            out, rows, scene=scene, shape=shape, token_px=token_px, provenance=provenance,
            names=[f"score_{name}" for name in classes],
        )  # fmt: skip
        return
    write_class_raster(
        out, (class_codes(row_RNK) for row_RNK in rows), scene=scene, shape=shape,
        token_px=token_px, provenance=provenance, classes=classes,
    )  # fmt: skip


def class_codes(score_RNK: FloatArray) -> "Codes":
    """Return the code of the most probable class of each pixel; no data where it is NaN."""
    from minortom.scenes.class_raster import nodata_of

    nodata = nodata_of(score_RNK.shape[-1])
    codes = np.where(np.isnan(score_RNK[..., 0]), nodata, score_RNK.argmax(-1))
    return codes.astype(np.uint8) if nodata == 255 else codes.astype(np.uint16)


@dataclass(frozen=True, kw_only=True, eq=False)
class TileClassifier:
    """Classifier of the tiles of a scene: probabilities of each pixel or patch of a tile."""

    classifier: Classifier
    tile_px: int
    """Side of a tile, in pixels of the scene."""

    def __call__(
        self,
        images: Mapping[SensorName, FloatArray],
        *,
        row_phase_px: float,
        col_phases_px: Sequence[float],
    ) -> FloatArray:
        """Classify the tiles of one row; see `scene_features.EncodeTiles`."""
        network, head = self.classifier.network, self.classifier.head
        encoder = SceneEncoder(model=network.encoder)
        with fast_inference(self.classifier.device):
            normal = encoder.prepared(
                images, row_phase_px=row_phase_px, col_phases_px=col_phases_px
            )
            if head.is_dense:
                logits_BKHW = at_size(network(normal).float(), (self.tile_px, self.tile_px))
                logits_BKN = logits_BKHW.flatten(2)
            else:
                logits_BKN = network.patch_logits(normal).float().transpose(1, 2)
            found: Tensor = probabilities(head.task, logits_BKN).transpose(1, 2)
        scores: FloatArray = found.cpu().numpy()
        return scores
