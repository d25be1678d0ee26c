"""Make minortom/plotting/coast_lines.json: Natural Earth's 1:110 m land (public domain), to 0.1°.

python benchmarks/_make_coast_lines.py ne_110m_land.geojson
"""

import json
import sys
from pathlib import Path

OUT = Path(__file__).parents[1] / "minortom" / "plotting" / "coast_lines.json"


def rings(geojson):
    """Return each outline and each lake as a list of [lon, lat] in degrees."""
    for feature in geojson["features"]:
        geometry = feature["geometry"]
        single = geometry["type"] == "Polygon"
        for polygon in [geometry["coordinates"]] if single else geometry["coordinates"]:
            yield from polygon


def rounded(ring):
    """Round to 0.1° and drop repeated points."""
    points = [[round(lon, 1), round(lat, 1)] for lon, lat, *_ in ring]
    return [
        point for point, before in zip(points, [None, *points], strict=False) if point != before
    ]


if __name__ == "__main__":
    source = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    lines = [rounded(ring) for ring in rings(source)]
    text = json.dumps([line for line in lines if len(line) > 3], separators=(",", ":"))
    OUT.write_text(text + "\n", encoding="utf-8")
    print(f"{OUT}: {len(lines)} lines, {len(text) / 1000:.0f} kB")
