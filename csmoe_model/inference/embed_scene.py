"""Feature map of a scene: encode its tiles, and write one pixel for each patch token."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from csmoe_model.choices import BOTH
from csmoe_model.data.bands import channels
from csmoe_model.extractors.extractor import Bands, Extractor
from csmoe_model.inference.embed_images import ready_extractor
from csmoe_model.inference.scene_encoder import tile_encoder
from csmoe_model.inference.scene_features import feature_rows
from csmoe_model.inference.scene_rows import Scene
from csmoe_model.inference.tile_grid import FloatArray, TileGrid
from minortom.api.arguments import keep_whole, number
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.up_to_date import check_raster, now
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import BASE_RESOLUTION_M, PATCH_PX, SensorName

if TYPE_CHECKING:
    from minortom.scenes.scene import OpenScene

_TOLERANCE = 0.05
"""Relative difference allowed between a pixel's side and the ground sampling of training."""
_OVERLAP = 0.5
"""Default overlap of tiles of several tokens."""


@dataclass(frozen=True, kw_only=True)
class SceneOptions:
    """Options for the division of a scene into tiles.

    Raises:
        InputError: If a value is not a number.
    """

    overlap: float | None = None
    """Part of a tile's side that the next tile covers again, at least; when None 0.5, and 0 for
    tiles of one token."""
    tile_px: int | None = None
    """Side of a tile in pixels of the scene; the side of a patch of shards when None."""

    def __post_init__(self) -> None:
        if self.overlap is not None:
            object.__setattr__(self, "overlap", number("overlap", self.overlap))
        keep_whole(self, {"tile_px": 1})

    def grid(self, scene: Scene, *, tile_px: int, tile_tokens: int, name: str) -> TileGrid:
        """Return the tiles of a scene.

        Args:
            scene: The scene.
            tile_px: Side of a tile in pixels of the scene.
            tile_tokens: Tokens along a side of a tile.
            name: Name of the extractor for errors.

        Raises:
            InputError: If tiles of one token are to overlap, or as `TileGrid`.
        """
        if tile_tokens == 1 and self.overlap:
            raise InputError(
                f"--overlap needs tiles of several tokens, found {name}, which has one vector a "
                "tile; leave --overlap out, or give a smaller --tile-px for a finer map"
            )
        default = 0.0 if tile_tokens == 1 else _OVERLAP
        return TileGrid(
            height_px=scene.height_px, width_px=scene.width_px, tile_px=tile_px,
            tile_tokens=tile_tokens, overlap=default if self.overlap is None else self.overlap,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EmbedSceneResult(Result):
    """Result of `csmoe embed` for a scene."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """GeoTIFF with the features."""
    sensor: str
    """`s2`, `s1` or `both`."""
    rows: int
    """Rows of the feature map."""
    columns: int
    """Columns of the feature map."""
    width: int
    """Features of each pixel."""
    tiles: int
    """Tiles of the scene."""


def embed_scene(
    checkpoint: str | Path | Extractor,
    scene: "OpenScene",
    out: Path,
    *,
    options: SceneOptions,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> EmbedSceneResult:
    """Write the patch tokens of a scene as a GeoTIFF; see `scene_features.feature_rows`.

    An extractor without tokens has one vector for each tile, and so one pixel; its tiles do not
    overlap.

    For a scene of both sensors each feature is the mean over the two sensors, whose tokens come
    from the same LayerNorm.

    Args:
        checkpoint: A loaded extractor, or as `load_extractor` takes it.
        scene: The scene to encode.
        out: GeoTIFF to write.
        options: How the scene is divided into tiles.
        overwrite: Whether to replace an output that was made otherwise.
        on_progress: Called with (tiles done, tiles in all).

    Raises:
        InputError: If the checkpoint does not exist; if it has no encoder for a sensor of the
            scene; if tiles of one vector are to overlap; or if the scene has missing bands, is
            too small, has pixels of another size than those of training, is damaged, or has no
            measured pixel.
        OutputExistsError: If `out` was made from something else.
    """
    # Imported here so that embedding shards does not load rasterio.
    from minortom.scenes.feature_raster import write_feature_raster

    check_raster(out)
    started = now()
    extractor = checkpoint if isinstance(checkpoint, Extractor) else ready_extractor(checkpoint)
    extractor.check_sensors(tuple(scene.bands), "the scene")
    grid = options.grid(
        scene, tile_px=tile_side(scene, options.tile_px), tile_tokens=extractor.tile_tokens,
        name=extractor.name,
    )  # fmt: skip
    sensor = BOTH if len(scene.bands) > 1 else next(iter(scene.bands))
    width = extractor.width_for(tuple(scene.bands))
    rows = _rows(extractor, scene, grid, on_progress)
    provenance = scene_provenance("embed", extractor, scene, grid)
    with artefact(
        out, provenance, inputs=[*extractor.folders, *scene.files], overwrite=overwrite,
        started=started, in_place=True,
    ) as made:  # fmt: skip
        if not made.up_to_date:
            scene.radiometry.report()
            write_feature_raster(
                out, rows, scene=scene, shape=(grid.rows, grid.cols),
                token_px=float(grid.token_px), names=[f"{sensor}_{n:03d}" for n in range(width)],
                provenance=provenance,
            )  # fmt: skip
    return EmbedSceneResult(
        status=made.status, out=out, sensor=sensor, rows=grid.rows, columns=grid.cols,
        width=width, tiles=len(grid.tops) * len(grid.lefts),
    )  # fmt: skip


def _rows(
    extractor: Extractor, scene: Scene, grid: TileGrid, on_progress: OnProgress
) -> Iterator[FloatArray]:
    """Check that the scene has the bands of the extractor; return an iterator over feature rows."""
    return feature_rows(
        scene, grid, tile_encoder(extractor), channels=scene_channels(scene, extractor.bands),
        width=extractor.width_for(tuple(scene.bands)), on_progress=on_progress,
    )  # fmt: skip


def scene_channels(scene: Scene, wanted: Bands) -> dict[SensorName, list[int]]:
    """Return the numbers of the bands of a scene that are encoded, by sensor.

    Raises:
        InputError: If a band is missing.
    """
    return {
        sensor: channels(sensor, names, wanted=wanted[sensor])
        for sensor, names in scene.bands.items()
    }


def scene_provenance(
    command: str, extractor: Extractor, scene: "OpenScene", grid: TileGrid
) -> Provenance:
    """Return the provenance of an output that an extractor computes from a scene."""
    return Provenance(
        command=command,
        options={
            "overlap": grid.overlap, "tile_px": grid.tile_px,
            "bands": {sensor: list(names) for sensor, names in scene.bands.items()},
            **scene.radiometry.record, **extractor.record,
        },
        inputs=scene_inputs(extractor, scene), licences=extractor.licences,
    )  # fmt: skip


def scene_inputs(extractor: Extractor, scene: Scene) -> dict[str, str]:
    """Return the hashes of the weights and of the files of a scene, for a provenance record."""
    files = {f"scene_{number}": sha256_of(path) for number, path in enumerate(scene.files)}
    return {"weights": extractor.sha256, **files}


def tile_side(scene: Scene, given_px: int | None) -> int:
    """Return the side of a tile in pixels of a scene.

    Raises:
        InputError: If it is not given, and the pixels of the scene are not those of training.
    """
    if given_px is not None:
        return given_px
    if scene.pixel_m is None:
        raise InputError(
            f"expected square pixels of {BASE_RESOLUTION_M} m, found pixels that are not "
            "square or not in metres; reproject the scene to UTM with gdalwarp, or give "
            "--tile-px, the pixels of the scene along a side of one image of the model"
        )
    if abs(scene.pixel_m / BASE_RESOLUTION_M - 1) > _TOLERANCE:
        raise InputError(
            f"expected pixels of {BASE_RESOLUTION_M} m, as in training, found {scene.pixel_m:g} m; "
            "resample the scene with gdalwarp, or give --tile-px, the pixels of the scene along a "
            f"side of one image of the model ({PATCH_PX} at {BASE_RESOLUTION_M} m)"
        )
    return PATCH_PX
