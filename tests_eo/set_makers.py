"""Tiny copies of published sets in their own formats, with pixels that a reader can compute."""

import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
from affine import Affine
from torchgeo.datasets import BigEarthNetV2, EuroSAT

SPLITS = ("train", "val", "test")
EUROSAT_CLASSES = ("AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial",
                   "Pasture", "PermanentCrop", "Residential", "River", "SeaLake")  # fmt: skip
S2_KEYS = (
    "01 - Coastal aerosol", "02 - Blue", "03 - Green", "04 - Red", "05 - Vegetation Red Edge",
    "06 - Vegetation Red Edge", "07 - Vegetation Red Edge", "08 - NIR",
    "08A - Vegetation Red Edge", "09 - Water vapour", "10 - SWIR - Cirrus", "11 - SWIR",
    "12 - SWIR",
)  # fmt: skip
"""Keys of the HDF5 files of GEO-Bench, sorted."""
S1_KEYS = (
    "01 - VH.Real", "02 - VH.Imaginary", "03 - VV.Real", "04 - VV.Imaginary",
    "05 - VH.LEE Filtered", "06 - VV.LEE Filtered", "07 - VH.LEE Filtered.Real",
    "08 - VV.LEE Filtered.Imaginary",
)  # fmt: skip


def write_tiff(path: Path, pixels: np.ndarray) -> None:
    """Write [band, row, column] as a GeoTIFF of its dtype."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = pixels.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=pixels.dtype,
        crs="EPSG:32633", transform=Affine(10, 0, 500_000, 0, -10, 5_000_000),
    ) as file:  # fmt: skip
        file.write(pixels)


def write_eurosat(root: Path, *, each: int = 1, side: int = 64) -> Path:
    """Write `each` images of every class in every split.

    Band number b (from 1, in the file's order) of class k holds 1000 · k + b everywhere, plus its
    row in band 2.
    """
    for part, split in enumerate(SPLITS):
        names = []
        for k, name in enumerate(EUROSAT_CLASSES):
            for n in range(each):
                stem = f"{name}_{part * each + n + 1}"
                pixels = np.full((13, side, side), 1000 * k, np.uint16)
                pixels += np.arange(1, 14, dtype=np.uint16)[:, None, None]
                pixels[1] += np.arange(side, dtype=np.uint16)[:, None]
                write_tiff(root / EuroSAT.base_dir / name / f"{stem}.tif", pixels)
                names.append(f"{stem}.jpg")
        (root / f"eurosat-{split}.txt").write_text("\n".join(names) + "\n")
    return root


def write_so2sat(root: Path, *, each: int = 2) -> Path:
    """Write `each` pairs of every class in every split; band b of pair n holds (n + b) / 100."""
    root.mkdir(parents=True, exist_ok=True)
    for name in ("training", "validation", "testing"):
        labels = np.arange(17 * each) % 17
        with h5py.File(root / f"{name}.h5", "w") as file:
            for key, bands in (("sen1", 8), ("sen2", 10)):
                value = (np.arange(len(labels))[:, None] + np.arange(bands)) / 100
                pixels = np.broadcast_to(value[:, None, None, :], (len(labels), 32, 32, bands))
                file[key] = pixels
            file["label"] = np.eye(17)[labels]
    return root


def write_bigearthnet(root: Path, patches: list[dict]) -> Path:
    """Write pairs with the metadata given, and the maps that torchgeo asks for.

    Band number b, in alphabetical order, of pair n holds 100 · n + b, plus the column in those of
    20 m; VH is -20.25 - n dB and VV -10.75 - n dB.
    """
    bands = {10: ("B02", "B03", "B04", "B08"), 20: ("B05", "B06", "B07", "B8A", "B11", "B12"),
             60: ("B01", "B09")}  # fmt: skip
    alphabetical = sorted(name for names in bands.values() for name in names)
    rows = []
    for n, patch in enumerate(patches):
        s2 = patch["patch_id"]
        s1 = patch["s1_name"]
        folder = root / "BigEarthNet-S2" / s2.rsplit("_", 2)[0] / s2
        for metres, names in bands.items():
            side = 1200 // metres
            for name in names:
                pixels = np.full((1, side, side), 100 * n + alphabetical.index(name), np.uint16)
                if metres == 20:
                    pixels += np.arange(side, dtype=np.uint16)
                write_tiff(folder / f"{s2}_{name}.tif", pixels)
        folder = root / "BigEarthNet-S1" / s1.rsplit("_", 3)[0] / s1
        for name, value in (("VH", -20.25), ("VV", -10.75)):
            write_tiff(folder / f"{s1}_{name}.tif", np.full((1, 120, 120), value - n, np.float32))
        folder = root / "Reference_Maps" / s2.rsplit("_", 2)[0] / s2
        write_tiff(folder / f"{s2}_reference_map.tif", np.full((1, 120, 120), 312, np.uint16))
        rows.append({"contains_seasonal_snow": False, "contains_cloud_or_shadow": False, **patch})
    pq.write_table(pa.Table.from_pylist(rows), root / "metadata.parquet")
    return root


def bigearthnet_patch(n: int, split: str, *, country="Serbia", month=7, labels=None) -> dict:
    """Return a row of the metadata of BigEarthNet."""
    day = f"2017{month:02d}13"
    return {
        "patch_id": f"S2A_MSIL2A_{day}T101031_N9999_R022_T34TDQ_{n:02d}_05",
        "labels": labels or [BigEarthNetV2.class_set[n % 2]], "split": split, "country": country,
        "s1_name": f"S1A_IW_GRDH_1SDV_{day}T163355_34TDQ_{n:02d}_5",
        "s2v1_name": f"S2A_MSIL2A_{day}T101031_{n}_5",
    }  # fmt: skip


class BandInfo:
    """Stand-in for the class of GEO-Bench in its pickles; it must never be instantiated."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


def write_geobench_sample(
    path: Path, keys: tuple[str, ...], pixels: np.ndarray, *, label: object = None,
    mask: np.ndarray | None = None, date: str = "",
) -> None:  # fmt: skip
    """Write [band, row, column] and a label as GEO-Bench's own writer does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata: dict[str, object] = {} if label is None else {"label": label}
    with h5py.File(path, "w") as file:
        for key, band in zip(keys, pixels, strict=True):
            file[key + date] = band
            metadata[key + date] = {"date": None, "band_info": BandInfo(), "crs": None}
        if mask is not None:
            file["label"] = mask
        metadata["bands_order"] = [key + date for key in keys]
        file.attrs["pickle"] = str(pickle.dumps(metadata))


def write_partition(folder: Path, names: dict[str, list[str]]) -> None:
    """Write which sample is in which split."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "default_partition.json").write_text(json.dumps(names))
