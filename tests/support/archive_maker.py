"""Small archives in Major TOM's layout with known pixels."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from affine import Affine
from rasterio.io import MemoryFile

from minortom.archive.archive import Archive

S2_BANDS_10M = ("B02", "B03", "B04", "B08")
S2_BANDS_20M = ("B05", "B06", "B07", "B8A", "B11", "B12")
EPSG, WEST_M, NORTH_M = 32631, 500_000.0, 1_000_000.0
URL = "https://huggingface.co/datasets/Major-TOM/Core/resolve/main/images/"


def geotiff(pixels, *, epsg=EPSG, west_m=WEST_M, north_m=NORTH_M, pixel_m=10.0, **profile):
    """Encode one band, north up; ``crs`` and ``transform`` may be given instead."""
    profile = {
        "crs": f"EPSG:{epsg}", "transform": Affine(pixel_m, 0, west_m, 0, -pixel_m, north_m),
        "compress": "lzw", **profile,
    }  # fmt: skip
    bands = pixels[None] if pixels.ndim == 2 else pixels
    count, height, width = bands.shape
    with MemoryFile() as file:
        with file.open(
            driver="GTiff", height=height, width=width, count=count, dtype=bands.dtype, **profile
        ) as dataset:
            dataset.write(bands)
        return file.read()


def s2_pixels(side_px=48, *, seed=0):
    """Return valid values of all ten bands, by name; 20 m bands have half the side."""
    rng = np.random.default_rng(seed)
    sides = dict.fromkeys(S2_BANDS_10M, side_px) | dict.fromkeys(S2_BANDS_20M, side_px // 2)
    return {name: rng.integers(1200, 9000, (side, side), np.uint16) for name, side in sides.items()}


def s1_pixels(side_px=48, *, seed=0):
    """Return valid linear power of both polarisations, by name."""
    rng = np.random.default_rng((seed, 1))
    return {
        name: rng.uniform(0.001, 1.5, (side_px, side_px)).astype(np.float32)
        for name in ("vv", "vh")
    }


def s2_geotiffs(pixels, **georeference):
    """Encode Sentinel-2 bands; 20 m bands have pixels of 20 m."""
    return {
        name: geotiff(band, pixel_m=20.0 if name in S2_BANDS_20M else 10.0, **georeference)
        for name, band in pixels.items()
    }


def s1_geotiffs(pixels, **georeference):
    return {name: geotiff(band, **georeference) for name, band in pixels.items()}


def write_archive(folder: Path, rows, *, rows_per_part=2) -> Path:
    """Write rows as a product: each a dict of metadata (missing keys become null) and ``bands``."""
    (folder / "images").mkdir(parents=True)
    is_s2 = "B02" in rows[0]["bands"]
    metadata = []
    for first in range(0, len(rows), rows_per_part):
        part, images = f"part_{first // rows_per_part + 1:05d}.parquet", []
        for number, row in enumerate(rows[first : first + rows_per_part]):
            shared = {"product_id": "P", "timestamp": None, "nodata": 0.0} | {
                key: value for key, value in row.items() if key != "bands"
            }
            images.append(
                {name: shared[name] for name in ("product_id", "grid_cell", "timestamp")}
                | {"thumbnail": b"jpeg", **row["bands"]}
            )
            more = {"cloud_cover": None} if is_s2 else {"orbit_state": None}
            where = {"crs": f"EPSG:{EPSG}", "parquet_url": URL + part, "parquet_row": number}
            metadata.append({**more, **where, **shared})
        pq.write_table(pa.Table.from_pylist(images), folder / "images" / part, row_group_size=1)
    kinds = {"timestamp": pa.string(), "cloud_cover": pa.float64(), "nodata": pa.float64()}
    table = pa.Table.from_pylist(metadata)
    fields = [pa.field(f.name, kinds.get(f.name, f.type)) for f in table.schema]
    pq.write_table(table.cast(pa.schema(fields)), folder / "metadata.parquet")
    return folder


S2_BYTES = {name: name.encode() for name in
            ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")}  # fmt: skip
S1_BYTES = {"vv": b"vv", "vh": b"vh"}


def open_pair(folder: Path, s2_rows, s1_rows):
    """Write and open both archives; a row without a cell is in 1U_1R."""
    s2 = [{"grid_cell": "1U_1R", "bands": S2_BYTES, **row} for row in s2_rows]
    s1 = [{"grid_cell": "1U_1R", "bands": S1_BYTES, **row} for row in s1_rows]
    return (
        Archive.open(write_archive(folder / "s2", s2), "s2"),
        Archive.open(write_archive(folder / "s1", s1), "s1"),
    )


def write_selection(path: Path, cells, **columns) -> Path:
    """Write a selection of these cells, with additional or replaced columns."""
    table = {
        "grid_cell": list(cells), "climate": ["Cfb"] * len(cells),
        "landcover": ["cropland"] * len(cells), "stratum": ["Cfb/cropland"] * len(cells),
        "role": ["selected"] * len(cells), **columns,
    }  # fmt: skip
    arrays = {name: pa.array(values) for name, values in table.items()}
    for name, array in arrays.items():
        if name != "grid_cell" and array.type == pa.string():
            arrays[name] = array.dictionary_encode()
    pq.write_table(pa.table(arrays), path)
    return path


CELLS = tuple(f"{number}U_{number + 3}R" for number in range(7))


def write_pair_of_archives(folder: Path, cells=CELLS, *, side_px=48):
    """Write both products with one random, valid tile per cell; return the folders (S2, S1)."""
    s2 = [{"grid_cell": cell, "product_id": "S2A_MSIL2A_20200101T000000_N0213_R001",
           "timestamp": "20200101T000000", "bands": s2_geotiffs(s2_pixels(side_px, seed=number))}
          for number, cell in enumerate(cells)]  # fmt: skip
    s1 = [{"grid_cell": cell, "product_id": "S1A_IW", "timestamp": "20200102T120000",
           "bands": s1_geotiffs(s1_pixels(side_px, seed=number))}
          for number, cell in enumerate(cells)]  # fmt: skip
    return write_archive(folder / "Core-S2L2A", s2), write_archive(folder / "Core-S1RTC", s1)
