"""Labelled sets by the name that a user gives them; the options of what works on them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from minortom.errors import InputError

if TYPE_CHECKING:
    from csmoe_model.datasets.base import LabelledSet

PublishedName = Literal[
    "eurosat", "so2sat", "bigearthnet-v2", "benv2-14k", "benv2-243k",
    "m-bigearthnet", "m-brick-kiln", "m-so2sat", "m-eurosat", "m-cashew-plant", "m-SA-crop-type",
]  # fmt: skip
SetName = Literal["shards", "folder", PublishedName]
LabelColumn = Literal["landcover", "climate", "stratum"]
SplitBy = Literal["shards", "blocks"]

_BANDS = "Of the bands in a user's files, such as B02,B03, where these have no names."

Data = Annotated[
    SetName,
    typer.Option(
        help="Shards; a folder of GeoTIFFs with labels.csv; or a published set (docs/evaluate.md)."
    ),
]
Root = Annotated[
    Path, typer.Option(help="Folder with the set; of GEO-Bench (m-…) that with the set's folder.")
]
Label = Annotated[
    LabelColumn | None,
    typer.Option(help="Column of shards that labels are taken from; `landcover` by default."),
]
SplitByOption = Annotated[
    SplitBy | None,
    typer.Option(help="Splits of shards: their own, which is the default, or blocks of ground."),
]
S2Bands = Annotated[str | None, typer.Option(metavar="NAMES", help=_BANDS)]
S1Bands = Annotated[str | None, typer.Option(metavar="NAMES", help=_BANDS)]
PoolingOption = Annotated[
    Literal["cls", "mean", "both"], typer.Option(help="[CLS], mean of the tokens, or both.")
]
Cache = Annotated[
    Path | None,
    typer.Option(help="Folder to keep features in, for other runs on the same set."),
]
Index = Annotated[
    Literal["exact", "ivf"],
    typer.Option(help="Compare all vectors, or those of the nearest cells: for millions."),
]


def open_labelled(
    data: SetName,
    root: Path,
    *,
    label: LabelColumn | None,
    split_by: SplitBy | None,
    s2_bands: str | None,
    s1_bands: str | None,
    seed: int,
) -> "LabelledSet":
    """Open a set.

    Args:
        data: `shards`, a `folder` of GeoTIFFs with `labels.csv`, or the name of a published set.
        root: Where it lies.
        label: Column of shards to tell; `landcover` when None.
        split_by: How shards are split; as they are when None.
        s2_bands: Names of the Sentinel-2 bands in a folder's files, as in `B02,B03`, where these
            tell none.
        s1_bands: The same of Sentinel-1.
        seed: Draws a split that the set does not have.

    Raises:
        InputError: If an option is for another kind of set.
        MinorTomError: If the set is not there or damaged.
    """
    _check_given(data, "shards", {"--label": label, "--split-by": split_by})
    _check_given(data, "folder", {"--s2-bands": s2_bands, "--s1-bands": s1_bands})
    # Imported here so that `csmoe --help` loads neither torch nor rasterio.
    if data == "folder":
        from csmoe_model.datasets.image_folder import folder_as_labelled
        from minortom.scenes.image_reader import ImageReader

        reader = ImageReader(s2_bands=parse_bands(s2_bands), s1_bands=parse_bands(s1_bands))
        return folder_as_labelled(root, reader, seed=seed)
    if data != "shards":
        return _open_published(data, root)
    from csmoe_model.datasets.shards import ShardLabels, shards_as_labelled

    return shards_as_labelled(
        root, ShardLabels(label=label or "landcover", split_by=split_by or "shards", seed=seed)
    )


def _check_given(data: SetName, kind: SetName, given: Mapping[str, object]) -> None:
    wrong = [name for name, value in given.items() if value is not None]
    if wrong and data != kind:
        raise InputError(f"{wrong[0]} is for --data {kind}, not for {data}; leave it out")


def _open_published(data: PublishedName, root: Path) -> "LabelledSet":
    match data:
        case "eurosat":
            from csmoe_model.datasets.eurosat import eurosat_as_labelled

            return eurosat_as_labelled(root)
        case "so2sat":
            from csmoe_model.datasets.so2sat import so2sat_as_labelled

            return so2sat_as_labelled(root)
        case "bigearthnet-v2" | "benv2-14k" | "benv2-243k":
            from csmoe_model.datasets.bigearthnet import bigearthnet_as_labelled
            from minortom.scenes.image_reader import read_band

            return bigearthnet_as_labelled(root, data, read_band)
        case _:
            from csmoe_model.datasets.geobench import geobench_as_labelled

            return geobench_as_labelled(root, data)


def parse_bands(text: str | None) -> tuple[str, ...] | None:
    """Read names as in `B02,B03,B04`; None where none are given."""
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())
