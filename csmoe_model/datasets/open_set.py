"""Labelled sets by name: shards, a folder of GeoTIFFs, or a published set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from csmoe_model.datasets.base import LabelledSet
from csmoe_model.datasets.names import PublishedName, SetName, SplitBy
from minortom.api.arguments import one_of, path_of, several, shown
from minortom.errors import InputError
from minortom.scenes.radiometry import GivenOffset, parse_offset

BandNames = str | Sequence[str]
"""Names of bands as `"B02,B03"` or as a sequence."""


def open_set(
    data: SetName | LabelledSet,
    root: str | Path | None,
    *,
    label: str | None = None,
    labels: str | Path | None = None,
    split_by: SplitBy | None = None,
    s2_bands: BandNames | None = None,
    s1_bands: BandNames | None = None,
    s2_offset: GivenOffset = "auto",
    seed: int = 0,
) -> LabelledSet:
    """Open a labelled set.

    Args:
        data: `shards`, a `folder` of GeoTIFFs with `labels.csv`, the name of a published set, or
            a `LabelledSet`, which is returned unchanged.
        root: Folder that holds the set; None for a `LabelledSet`.
        label: Column of shards that holds the labels; `landcover` when None.
        labels: Table with the labels of the patches of shards, in place of a column.
        split_by: How to split shards; by their own splits when None.
        s2_bands: Names of the Sentinel-2 bands in the files of a `folder`, in their order, such
            as `B02,B03`; the names in the files when None.
        s1_bands: Names of the Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Offset to subtract from Sentinel-2 values without offset tags, in
            reflectance × 10,000; `auto` takes it from the name of the product.
        seed: Seed of the split, where the set has no split of its own.

    Raises:
        InputError: If an option is for another kind of set, or an argument is not valid.
        MinorTomError: If the set is missing or damaged.
    """
    if not isinstance(data, LabelledSet):
        one_of("data", data, get_args(SetName))
    kind = "a LabelledSet" if isinstance(data, LabelledSet) else data
    _check_kind(kind, "shards", {
        "--label": label, "--labels": labels, "--split-by": split_by,
    })  # fmt: skip
    _check_kind(kind, "folder", {
        "--s2-bands": s2_bands, "--s1-bands": s1_bands,
        "--s2-offset": None if s2_offset == "auto" else s2_offset,
    })  # fmt: skip
    if isinstance(data, LabelledSet):
        return data
    if root is None:
        raise InputError(f"root must be the folder of the set {data}, found None")
    root = path_of("root", root)
    # Imported inside the branches, so that a set loads the libraries that it needs and no others:
    # shards need no rasterio.
    if data == "shards":
        return _open_shards(root, label, labels, split_by, seed)
    if data == "folder":
        from csmoe_model.datasets.image_folder import open_image_folder
        from minortom.scenes.image_reader import ImageReader

        reader = ImageReader(
            s2_bands=parse_bands(s2_bands), s1_bands=parse_bands(s1_bands),
            s2_offset=parse_offset(s2_offset), all_bands=True,
        )  # fmt: skip
        return open_image_folder(root, reader, fit=reader.fitted, seed=seed)
    return _open_published(data, root)


def parse_bands(names: BandNames | None) -> tuple[str, ...] | None:
    """Return names of bands as a tuple: `"B02,B03"` becomes `("B02", "B03")`, None stays None.

    Raises:
        InputError: If they are not text.
    """
    if names is None:
        return None
    expected = "names, such as B02,B03"
    parts = names.split(",") if isinstance(names, str) else several(
        "bands", names, expected=expected
    )  # fmt: skip
    for part in parts:
        if not isinstance(part, str):
            raise InputError(f"bands must be {expected}, found {shown(part)}")
    return tuple(part.strip() for part in parts if part.strip())


def _check_kind(found: str, kind: SetName, given: Mapping[str, object]) -> None:
    """Check that options which apply to one kind of set are given for no other."""
    wrong = [name for name, value in given.items() if value is not None]
    if wrong and found != kind:
        raise InputError(
            f"{wrong[0]} applies to --data {kind} only, found {found}; leave {wrong[0]} out"
        )


def _open_shards(
    root: Path, label: str | None, labels: str | Path | None, split_by: SplitBy | None, seed: int
) -> LabelledSet:
    from csmoe_model.datasets.shards import ShardLabels, open_shards

    if label is not None and labels is not None:
        raise InputError(
            f"expected --label or --labels, found both ({shown(label)} and {shown(labels)}); leave "
            "one out"
        )
    label = "landcover" if label is None else label
    split_by = "shards" if split_by is None else split_by
    if not isinstance(label, str):
        raise InputError(f"label must be the name of a column, found {shown(label)}")
    one_of("split_by", split_by, get_args(SplitBy))
    table = None if labels is None else path_of("labels", labels)
    return open_shards(root, ShardLabels(label=label, labels=table, split_by=split_by, seed=seed))


def _open_published(data: PublishedName, root: Path) -> LabelledSet:
    match data:
        case "eurosat":
            from csmoe_model.datasets.eurosat import open_eurosat

            return open_eurosat(root)
        case "so2sat":
            from csmoe_model.datasets.so2sat import open_so2sat

            return open_so2sat(root)
        case "bigearthnet-v2" | "benv2-14k" | "benv2-243k":
            from csmoe_model.datasets.bigearthnet import open_bigearthnet
            from minortom.scenes.image_reader import read_band

            return open_bigearthnet(root, data, read_band)
        case _:
            from csmoe_model.datasets.geobench import open_geobench

            return open_geobench(root, data)
