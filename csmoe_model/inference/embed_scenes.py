"""Feature maps of several scenes, one GeoTIFF each in one folder."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from csmoe_model.inference.embed_images import ready_extractor
from csmoe_model.inference.embed_scene import EmbedSceneResult, SceneOptions, embed_scene
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.progress import OnProgress, ignore_progress

if TYPE_CHECKING:
    from minortom.scenes.scene import OpenScene

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class EmbedScenesResult(Result):
    """Result of `csmoe embed` for several scenes."""

    out: Path
    """Folder with the feature maps."""
    scenes: list[EmbedSceneResult]
    """Result of each scene."""

    def shown(self) -> list[dict[str, Any]]:
        """Return a row for each scene."""
        return [scene.as_dict() for scene in self.scenes]


def embed_scenes(
    checkpoint: str | Path,
    sources: Sequence[Path],
    out: Path,
    *,
    open_one: Callable[[Path], AbstractContextManager["OpenScene"]],
    options: SceneOptions,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> EmbedScenesResult:
    """Write the feature map of each scene into a folder, under the name of the scene.

    Args:
        checkpoint: As `load_extractor` takes it.
        sources: The scenes.
        out: The folder; it is made if it does not exist.
        open_one: Opens a scene.
        options: How a scene is divided into tiles.
        overwrite: Whether to replace feature maps that were made otherwise.
        on_progress: Called with (tiles done, tiles in all) of each scene.

    Raises:
        InputError: If `out` is a file, two scenes have the same name, or a scene cannot be encoded.
        OutputExistsError: If a feature map was made from something else.
    """
    _outs(sources, out)  # refuses them before the checkpoint is loaded
    extractor = ready_extractor(checkpoint)

    def embed_one(scene: "OpenScene", path: Path) -> EmbedSceneResult:
        return embed_scene(
            extractor, scene, path, options=options, overwrite=overwrite, on_progress=on_progress
        )

    return EmbedScenesResult(out=out, scenes=map_scenes(sources, out, open_one, embed_one))


def map_scenes(
    sources: Sequence[Path],
    out: Path,
    open_one: Callable[[Path], AbstractContextManager["OpenScene"]],
    make: Callable[["OpenScene", Path], R],
) -> list[R]:
    """Make a GeoTIFF of each scene in a folder, under the name of the scene.

    Args:
        sources: The scenes.
        out: The folder; it is made if it does not exist.
        open_one: Opens a scene.
        make: Makes the GeoTIFF of an open scene at a path.

    Raises:
        InputError: If `out` is a file, or two scenes have the same name.
    """
    found = []
    for source, path in zip(sources, _outs(sources, out), strict=True):
        with open_one(source) as scene:
            found.append(make(scene, path))
    return found


def _outs(sources: Sequence[Path], out: Path) -> list[Path]:
    if out.is_file() or out.suffix.lower() in (".tif", ".tiff"):
        raise InputError(
            f"expected --out to be a folder for {len(sources)} scenes, found {out}; give a folder"
        )
    of_name: dict[str, Path] = {}
    for source in sources:
        other = of_name.setdefault(source.stem, source)
        if other is not source:
            raise InputError(
                f"expected scenes with different names, found {other} and {source}, which would "
                f"both become {source.stem}.tif; encode them into different folders"
            )
    return [out / f"{name}.tif" for name in of_name]
