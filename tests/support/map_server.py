"""Maps on a web server, and manifests of them."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import yaml
from map_maker import write_map

from minortom.maps.manifests import load_manifest

TILES = "tiles/map_{TILE}_v1.tif"


def serve_tile(server, corner, code=10):
    """Put a tile of 3 degrees with one class on the server; return its path there."""
    lat = int(corner[1:3]) * (1 if corner[0] == "N" else -1)
    lon = int(corner[4:7]) * (1 if corner[3] == "E" else -1)
    path = f"/{TILES.replace('{TILE}', corner)}"
    file = server.folder / path[1:]
    file.parent.mkdir(exist_ok=True)
    write_map(file, np.full((6, 6), code, np.uint8), west=lon, north=lat + 3, step=0.5)
    return path


def serve_zip(server, members, name="maps.zip"):
    """Put a zip with members {name: content} on the server; return its checksum."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    (server.folder / name).write_bytes(buffer.getvalue())
    return f"md5:{hashlib.md5(buffer.getvalue()).hexdigest()}"


def map_bytes(folder: Path, code=1) -> bytes:
    """Return the bytes of a file with a small global map."""
    return write_map(folder / "made.tif", np.full((4, 8), code, np.uint8)).read_bytes()


def write_manifest(path: Path, url: str, **more) -> Path:
    """Write a user's manifest with additional keys; None leaves a key out."""
    content = {
        "name": "zones", "title": "Zones", "version": "1", "url": url, "checksum": None,
        "licence": "CC0-1.0", "attribution": "made here", "citation": "none",
        "crs": "EPSG:4326",
        "legend": {"name": "zones", "nodata": [0], "classes": {1: "one", 10: "ten"}},
    } | more  # fmt: skip
    path.write_text(yaml.safe_dump(content))
    return path


def manifest_of(tmp_path: Path, url: str, **more):
    return load_manifest(write_manifest(tmp_path / "zones.yaml", url, **more))


def tiled(tmp_path: Path, server, **more):
    return manifest_of(tmp_path, f"{server.url}/{TILES}", lattice_deg=3, **more)
