"""EuroSAT, read with torchgeo: 27,000 Sentinel-2 images of ten land cover classes.

Helber et al. 2019, https://doi.org/10.1109/JSTARS.2019.2918242; split of
https://arxiv.org/abs/1911.06721. Images are 64 × 64 pixels, top of atmosphere (level 1C), in
reflectance × 10,000 without offset.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csmoe_model.datasets.base import SPLITS, Images, LabelledSet, LabelledSplit, SplitName
from csmoe_model.datasets.files import check_files_exist, sha256_of_set
from csmoe_model.optional_packages import load_package
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS


def open_eurosat(root: Path) -> LabelledSet:
    """Open EuroSAT in the folder layout of torchgeo.

    Raises:
        InputError: If torchgeo or a part of the set is missing.
    """
    dataset_class = load_package("torchgeo.datasets", extra="terratorch").EuroSAT
    lists = [dataset_class.split_filenames[name] for name in SPLITS]
    check_files_exist("EuroSAT", root, [*lists, dataset_class.base_dir], _how(root))
    found = {name: _open_split(dataset_class, root, name) for name in SPLITS}
    splits: dict[SplitName, LabelledSplit] = {
        name: LabelledSplit(
            images=partial(_read, one),
            labels=np.array(one.targets, np.int64),
        )
        for name, one in found.items()
    }
    images = [Path(path) for one in found.values() for path, _ in one.samples]
    return LabelledSet(
        name="eurosat", task="multiclass", classes=tuple(found["train"].classes),
        bands={"s2": MODEL_BANDS["s2"]}, splits=splits,
        sha256=sha256_of_set([root / name for name in lists], images),
        settings={"split_by": "arXiv 1911.06721", "unit": "reflectance × 10,000, level 1C"},
        licences=("EuroSAT: MIT",),
    )  # fmt: skip


def _open_split(dataset_class: Any, root: Path, name: SplitName) -> Any:  # noqa: ANN401
    try:
        return dataset_class(root=str(root), split=name, bands=MODEL_BANDS["s2"], download=False)
    except FileNotFoundError as error:  # also for a class without images
        found = str(error).splitlines()[0]
        raise InputError(f"EuroSAT in {root} is not complete: {found}; {_how(root)}") from None


def _read(samples: Any, indices: NDArray[np.int64]) -> Images:  # noqa: ANN401
    return {"s2": np.stack([samples[index]["image"].numpy() for index in indices.tolist()])}


def _how(root: Path) -> str:
    return (
        'download it with `python -c "from torchgeo.datasets import EuroSAT; '
        f"[EuroSAT('{root}', split, download=True) for split in ('train', 'val', 'test')]\"`"
    )
