"""``csmoe embed`` of a scene: a map of features, a pixel for each patch of the model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from csmoe_model.data.bands import channels
from csmoe_model.inference.embed_patches import BOTH
from csmoe_model.inference.load import LoadedModel, load_encoder
from csmoe_model.inference.scene_encoder import SceneEncoder
from csmoe_model.inference.scene_features import feature_rows
from csmoe_model.inference.scene_rows import Scene
from csmoe_model.inference.tile_grid import FloatArray, TileGrid
from minortom.errors import InputError
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.up_to_date import check_raster, is_up_to_date, now, status, write_run_record
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import BASE_RESOLUTION_M, PATCH_PX

_CLOSE = 0.05
"""Part by which a pixel's side may differ from the ground sampling of training."""


@dataclass(frozen=True, kw_only=True)
class SceneOptions:
    """How a scene is cut."""

    overlap: float = 0.5
    """Part of a tile's side that the next one covers again, at least."""
    tile_px: int | None = None
    """Pixels of the scene along a side of what the model is given as one image; those of a
    patch in the shards, by default, when None."""


class WriteFeatures(Protocol):
    """Writes a map of features beside the scene that it is of."""

    def __call__(
        self,
        out: Path,
        rows: Iterable[FloatArray],
        *,
        shape: tuple[int, int],
        names: Sequence[str],
        token_px: float,
        provenance: Provenance,
    ) -> None:
        """Write a file, whole or not at all.

        Args:
            out: Where.
            rows: Rows from the top, [R, columns, band]; not a number where there is nothing.
            shape: Rows and columns of the map.
            names: Of its bands.
            token_px: Side of one of its pixels, in pixels of the scene. Both begin in the
                same corner.
            provenance: What the content depends on.
        """
        ...


def embed_scene(
    checkpoint: str | Path,
    scene: Scene,
    out: Path,
    *,
    write: WriteFeatures,
    options: SceneOptions,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, object]:
    """Write the patch tokens of a whole scene; see `scene_features.feature_rows`.

    Of a scene of both sensors they are the mean of the two, which both come out of the same
    LayerNorm.

    Args:
        checkpoint: As `CSMoE.from_pretrained` takes it.
        scene: What to encode.
        out: GeoTIFF to write.
        write: Writes it.
        options: How the scene is cut.
        overwrite: Whether another file in `out` may be replaced.
        on_progress: Called with (tiles done, tiles in all).

    Returns:
        What there is to tell, for people.

    Raises:
        InputError: If the checkpoint is none, it does not see a sensor of the scene, or the
            scene lacks bands, is too small, of other pixels than those of training, damaged,
            or was not measured at all.
        OutputExistsError: If `out` is something else.
    """
    check_raster(out)
    started = now()
    trained = load_encoder(checkpoint)
    _check_sensors(trained, scene)
    grid = TileGrid(
        height_px=scene.height_px, width_px=scene.width_px, tile_px=_tile_px(scene, options),
        tile_tokens=trained.model.config.grid_size, overlap=options.overlap,
    )  # fmt: skip
    sensor = BOTH if len(scene.bands) > 1 else next(iter(scene.bands))
    rows = _rows(trained, scene, grid, on_progress)
    provenance = _provenance(trained, scene, grid)
    inputs = [trained.folder, *scene.files]
    done = is_up_to_date(out, provenance, inputs=inputs, overwrite=overwrite)
    if not done:
        write(
            out, rows, shape=(grid.rows, grid.cols), token_px=float(grid.token_px),
            names=[f"{sensor}_{n:03d}" for n in range(trained.model.config.width)],
            provenance=provenance,
        )  # fmt: skip
        write_run_record(out, started)
    return {
        "status": status(done),
        "out": str(out),
        "sensor": sensor,
        "rows": grid.rows,
        "columns": grid.cols,
        "width": trained.model.config.width,
        "tiles": len(grid.tops) * len(grid.lefts),
    }


def _rows(
    trained: LoadedModel, scene: Scene, grid: TileGrid, on_progress: OnProgress
) -> Iterator[FloatArray]:
    """Make sure that the scene has the model's bands; encode it when asked for its rows."""
    found = {sensor: channels(sensor, names) for sensor, names in scene.bands.items()}
    return feature_rows(
        scene, grid, SceneEncoder(model=trained.model), channels=found,
        width=trained.model.config.width, on_progress=on_progress,
    )  # fmt: skip


def _provenance(trained: LoadedModel, scene: Scene, grid: TileGrid) -> Provenance:
    files = {f"scene_{number}": sha256_of(path) for number, path in enumerate(scene.files)}
    return Provenance(
        command="embed",
        options={
            "overlap": grid.overlap, "tile_px": grid.tile_px,
            "bands": {sensor: list(names) for sensor, names in scene.bands.items()},
        },
        inputs={"weights": trained.weights_sha256, **files}, licences=trained.licences,
    )  # fmt: skip


def _check_sensors(trained: LoadedModel, scene: Scene) -> None:
    seen = trained.model.sensors
    unseen = [sensor for sensor in scene.bands if sensor not in seen]
    if unseen:
        raise InputError(
            f"the scene has bands of {', '.join(unseen)}, the model sees {', '.join(seen)} alone; "
            "leave these bands out, or take another model"
        )


def _tile_px(scene: Scene, options: SceneOptions) -> int:
    if options.tile_px is not None:
        return options.tile_px
    if scene.pixel_m is None:
        raise InputError(
            "the scene's projection is not in metres, so its pixels have no one size; warp it to "
            f"UTM and {BASE_RESOLUTION_M} m with gdalwarp, or say with --tile-px how many of its "
            "pixels make one image of the model"
        )
    if abs(scene.pixel_m / BASE_RESOLUTION_M - 1) > _CLOSE:
        raise InputError(
            f"the scene has pixels of {scene.pixel_m:g} m, the model was trained on "
            f"{BASE_RESOLUTION_M} m; warp it with gdalwarp, or say with --tile-px how many of its "
            f"pixels make one image of the model ({PATCH_PX} of {BASE_RESOLUTION_M} m by default)"
        )
    return PATCH_PX
