"""Labels by folders: `<class>/…` or `<split>/<class>/…`, without a file of labels."""

from pathlib import Path

from csmoe_model.datasets.labels_csv import LABELS_FILE, SPLIT_NAMES, ImageLine
from minortom.errors import InputError


def has_class_folders(root: Path) -> bool:
    """Return whether a folder has folders of images, and no file of labels."""
    # Imported here so that labels from a file load no rasterio.
    from minortom.scenes.image_set import has_images

    return (
        root.is_dir()
        and not (root / LABELS_FILE).exists()
        and any(has_images(folder) for folder in _folders(root))
    )


def read_class_folders(root: Path) -> list[ImageLine]:
    """Return a line for each image, with the name of its folder as label.

    If all folders have names of splits, such as `train` and `val`, the folders in them are the
    classes.

    Raises:
        InputError: If an image lies outside the folders of the classes.
    """
    from minortom.scenes.image_set import find_images

    lines: list[ImageLine] = []
    tops = _folders(root)
    splits = [SPLIT_NAMES.get(folder.name.lower()) for folder in tops]
    by_split = None not in splits
    for top, split in zip(tops, splits, strict=True):
        for folder in _folders(top) if by_split else [top]:
            for image in find_images([folder]):
                lines.append(
                    ImageLine(
                        number=len(lines) + 1, files={"file": image}, labels=(folder.name,),
                        split=split if by_split else None, group=None,
                    )
                )  # fmt: skip
    if not lines:
        raise InputError(
            f"expected a folder of images for each class in {root}, or in each of its folders "
            f"{', '.join(folder.name for folder in tops)}, found none; give another folder"
        )
    return lines


def _folders(root: Path) -> list[Path]:
    return sorted(
        path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
