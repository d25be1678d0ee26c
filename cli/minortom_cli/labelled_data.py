"""Labelled sets by the name that a user gives them."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from csmoe_model.labelled import LabelledSet

SetName = Literal["shards", "folder"]


def open_labelled(
    data: SetName,
    root: Path,
    *,
    label: Literal["landcover", "climate", "stratum"],
    split_by: Literal["shards", "blocks"],
    s2_bands: tuple[str, ...] | None = None,
    s1_bands: tuple[str, ...] | None = None,
    seed: int,
) -> "LabelledSet":
    """Open a set.

    Args:
        data: Its kind: `shards`, or a `folder` of GeoTIFFs with `labels.csv`.
        root: Where it lies.
        label: Column of shards to tell.
        split_by: How shards are split.
        s2_bands: Names of the Sentinel-2 bands in a folder's files, where these tell none.
        s1_bands: The same of Sentinel-1.
        seed: Draws a split that the set does not have.

    Raises:
        MinorTomError: If the set is not there or damaged.
    """
    # Imported here so that `csmoe --help` loads neither torch nor rasterio.
    if data == "folder":
        from csmoe_model.labelled_folder import folder_as_labelled
        from minortom.image_files import ImageReader

        reader = ImageReader(s2_bands=s2_bands, s1_bands=s1_bands)
        return folder_as_labelled(root, reader, seed=seed)
    from csmoe_model.labelled_shards import ShardLabels, shards_as_labelled

    return shards_as_labelled(root, ShardLabels(label=label, split_by=split_by, seed=seed))


def parse_bands(text: str | None) -> tuple[str, ...] | None:
    """Read names as in `B02,B03,B04`; None where none are given."""
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())
