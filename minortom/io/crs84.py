"""The coordinate system of all our geometries as PROJJSON, which GeoParquet stores."""

CRS = "OGC:CRS84"
"""WGS 84 with longitude before latitude, degrees; the default of GeoParquet."""

_REALISATIONS = {
    "Transit": 1166, "G730": 1152, "G873": 1153, "G1150": 1154, "G1674": 1155, "G1762": 1156,
    "G2139": 1309, "G2296": 1383,
}  # fmt: skip

# Written out, not asked from PROJ: another PROJ would give other bytes.
PROJJSON: dict[str, object] = {
    "$schema": "https://proj.org/schemas/v0.7/projjson.schema.json",
    "type": "GeographicCRS",
    "name": "WGS 84 (CRS84)",
    "datum_ensemble": {
        "name": "World Geodetic System 1984 ensemble",
        "members": [
            {
                "name": f"World Geodetic System 1984 ({name})",
                "id": {"authority": "EPSG", "code": code},
            }
            for name, code in _REALISATIONS.items()
        ],
        "ellipsoid": {
            "name": "WGS 84",
            "semi_major_axis": 6378137,
            "inverse_flattening": 298.257223563,
        },
        "accuracy": "2.0",
        "id": {"authority": "EPSG", "code": 6326},
    },
    "coordinate_system": {
        "subtype": "ellipsoidal",
        "axis": [
            {
                "name": f"Geodetic {name}",
                "abbreviation": name[:3].title(),
                "direction": direction,
                "unit": "degree",
            }
            for name, direction in (("longitude", "east"), ("latitude", "north"))
        ],
    },
    "scope": "Not known.",
    "area": "World.",
    "bbox": {
        "south_latitude": -90,
        "west_longitude": -180,
        "north_latitude": 90,
        "east_longitude": 180,
    },
    "id": {"authority": "OGC", "code": "CRS84"},
}
