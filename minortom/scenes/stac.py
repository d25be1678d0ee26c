"""STAC items (JSON) whose assets are the bands of an image, on this machine."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minortom.errors import InputError
from minortom.io.parse import parse_json
from minortom.io.schema import anything, list_of, map_of, number, optional, record, text
from minortom.scenes.band_files import BandFile, BandFiles
from minortom.scenes.band_names import KnownBand, known_band

_IMAGES = (".tif", ".tiff", ".jp2", ".vrt")
_VALUES = {name: optional(number) for name in ("scale", "offset", "raster:scale", "raster:offset")}
_BANDS = optional(list_of(record(**_VALUES)))
_ASSET = record(href=optional(text), bands=_BANDS, **{"eo:bands": _BANDS, "raster:bands": _BANDS})
_ITEM = record(assets=map_of(_ASSET), properties=optional(map_of(anything)))
_REMOTE = re.compile(r"[a-z][a-z0-9+]+://", re.IGNORECASE)


def stac_bands(path: Path) -> BandFiles:
    """Find the bands of a STAC item; paths are relative to the item.

    Raises:
        InputError: If the file is not an item, has no asset of a known band, or an asset is not a
            file on this machine.
    """
    try:
        item = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"expected a STAC item, cannot read {path} ({error})") from None
    assets = item.get("assets") if isinstance(item, dict) else None
    if not isinstance(assets, dict):
        found = f"type {item.get('type')!r}" if isinstance(item, dict) else type(item).__name__
        raise InputError(
            f"expected a STAC item with assets in {path}, found {found}; give the item of one scene"
        )
    try:
        _ITEM(item, "")
    except ValueError as error:
        raise InputError(
            f"expected a STAC item in {path}: {error}; correct it, or give the item of one scene"
        ) from None
    properties = item.get("properties") or {}
    bands: dict[str, BandFile] = {}
    files = [path]
    for key, asset in assets.items():
        known = _band(key, asset)
        if known is None or known.name in bands:
            continue
        file = _local(path, key, asset["href"])
        files.append(file)
        bands[known.name] = _band_file(known.name, file, asset, properties)
    if not bands:
        raise InputError(
            f"expected assets of Sentinel-2 or Sentinel-1 bands in {path}, found "
            f"{', '.join(map(str, assets)) or 'none'}; give an item with band names as in "
            "eo:bands or B02"
        )
    product = properties.get("s2:product_uri") or item.get("id")
    return BandFiles(
        path=path, bands=tuple(bands.values()), files=tuple(files), product=str(product)
    )  # fmt: skip


def _band(key: str, asset: Mapping[str, Any]) -> KnownBand | None:
    """Return the band of an asset; None for other assets, such as previews of several bands."""
    href = str(asset.get("href", ""))
    if not href.split("?", maxsplit=1)[0].lower().endswith(_IMAGES) or key.endswith("-jp2"):
        return None
    described: Sequence[Mapping[str, Any]] = asset.get("eo:bands") or asset.get("bands") or [{}]
    if len(described) != 1:
        return None
    one = described[0]
    names = (key, one.get("name"), one.get("common_name"), one.get("eo:common_name"))
    for name in filter(None, names):
        known = known_band(str(name))
        if known is not None:
            return known if known.sensor else None
    return None


def _local(path: Path, key: str, href: str) -> Path:
    if href.startswith("file://"):
        href = href.removeprefix("file://")
    if _REMOTE.match(href):
        where = href.split("?")[0]  # the query can hold a secret
        raise InputError(
            f"expected the files of {path} on this machine, found {where} for the asset {key}; "
            "download the assets and write their paths into the item"
        )
    file = (path.parent / href).resolve()
    if not file.is_file():
        raise InputError(
            f"expected the file of the asset {key} of {path}, found no {file}; download it or "
            "correct href"
        )
    return file


def _band_file(
    name: str, file: Path, asset: Mapping[str, Any], properties: Mapping[str, Any]
) -> BandFile:
    """Return the file of a band, with the scale and offset of the item, if it has them."""
    described = (asset.get("raster:bands") or asset.get("bands") or [{}])[0]
    scale = described.get("scale", described.get("raster:scale", asset.get("raster:scale")))
    offset = described.get("offset", described.get("raster:offset", asset.get("raster:offset")))
    if properties.get("earthsearch:boa_offset_applied"):
        # Earth Search states the offset of ESA's product, which its files no longer have.
        offset = 0.0
    return BandFile(
        name=name, source=str(file), scale=None if scale is None else float(scale),
        offset=None if offset is None else float(offset),
    )  # fmt: skip
