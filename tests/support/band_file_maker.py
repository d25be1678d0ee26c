"""Images whose bands are separate files: folders, Sentinel-2 products and STAC items."""

import json

import numpy as np
import rasterio
from affine import Affine
from geotiff_maker import UTM, tiff

SIDES_PX = {
    "B01": 10, "B02": 60, "B03": 60, "B04": 60, "B05": 30, "B06": 30, "B07": 30, "B08": 60,
    "B8A": 30, "B09": 10, "B11": 30, "B12": 30,
}  # fmt: skip
"""Pixels along a side of each band, at its own resolution."""
_IDS = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"]


def native_bands(seed=0):
    """Return pixels of each band at its own resolution: reflectance × 10,000 without offset."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.gamma(3, 400, (side, side)) + 20).astype(np.uint16)
        for name, side in SIDES_PX.items()
    }


def upsampled(bands, names):
    """Return bands on the finest grid, [band, row, column], by NumPy alone."""
    found = []
    for name in names:
        times = 60 // len(bands[name])
        found.append(bands[name].repeat(times, 0).repeat(times, 1))
    return np.stack(found).astype(np.float32)


def band_tiff(path, pixels, **more):
    """Write one band, whose pixels cover the area of 60 × 60 pixels of 10 m."""
    transform = UTM @ Affine.scale(60 / len(pixels))
    return tiff(path, pixels[None], transform=transform, dtype=str(pixels.dtype), **more)


def band_folder(folder, bands, *, prefix=""):
    for name, pixels in bands.items():
        band_tiff(folder / f"{prefix}{name}.tif", pixels)
    return folder


def safe(parent, bands, *, level="2A", baseline="0510", offset=-1000, driver="JP2OpenJPEG"):
    """Write a product in ESA's layout; its values have the offset of its metadata."""
    product = f"S2A_MSIL{level}_20230706T085611_N{baseline}_R007_T33NZA_20230706T153419"
    folder = parent / f"{product}.SAFE"
    images = folder / "GRANULE" / f"L{level}_T33NZA_A041995_20230706T090512" / "IMG_DATA"
    for name, pixels in bands.items():
        own_m = 600 // len(pixels)
        for grid_m in (10, 20, 60) if level == "2A" else (own_m,):
            if grid_m < own_m:
                continue
            step = grid_m // own_m  # level 2A repeats fine bands on coarser grids
            sub = f"R{grid_m}m/" if level == "2A" else ""
            end = f"_{grid_m}m" if level == "2A" else ""
            path = images / f"{sub}T33NZA_20230706T085611_{name}{end}.jp2"
            path.parent.mkdir(parents=True, exist_ok=True)
            sub_pixels = pixels[::step, ::step].astype(np.int32)
            stored = np.where(sub_pixels > 0, sub_pixels - offset, 0)
            profile = {
                "driver": driver, "dtype": "uint16", "count": 1, "height": len(stored),
                "width": len(stored), "crs": "EPSG:32633",
                "transform": UTM @ Affine.scale(60 / len(stored)),
            }  # fmt: skip
            with rasterio.open(path, "w", **profile, QUALITY=100, REVERSIBLE="YES") as file:
                file.write(stored.astype(np.uint16), 1)
    (folder / f"MTD_MSIL{level}.xml").write_text(_metadata(product, level, offset))
    return folder


def _metadata(product, level, offset):
    kind = "BOA_ADD_OFFSET" if level == "2A" else "RADIO_ADD_OFFSET"
    offsets = "".join(f'<{kind} band_id="{n}">{offset}</{kind}>' for n in range(len(_IDS)))
    quantification = "BOA_QUANTIFICATION_VALUE" if level == "2A" else "QUANTIFICATION_VALUE"
    return (
        f'<n1:Level-{level}_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/x">'
        f"<n1:General_Info><PRODUCT_URI>{product}.SAFE</PRODUCT_URI>"
        f'<{quantification} unit="none">10000</{quantification}>'
        f'<AOT_QUANTIFICATION_VALUE unit="none">1000</AOT_QUANTIFICATION_VALUE>'
        f"<Offsets>{offsets if offset else ''}</Offsets></n1:General_Info>"
        f"</n1:Level-{level}_User_Product>"
    )


def stac_item(path, bands, *, described=None, properties=None, names=str):
    """Write a STAC item beside its assets; `described` is added to each asset."""
    assets = {"thumbnail": {"href": "preview.jpg"}, "visual": {"href": "TCI.tif"}}
    for name, pixels in bands.items():
        band_tiff(path.parent / "assets" / f"{name}.tif", pixels)
        assets[names(name)] = {"href": f"./assets/{name}.tif", **(described or {})}
    item = {"type": "Feature", "id": "item", "properties": properties or {}, "assets": assets}
    path.write_text(json.dumps(item))
    return path
