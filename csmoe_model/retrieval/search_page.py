"""Page of a search: pictures of the query and its hits, their columns, and a map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from minortom.io.provenance import Provenance
from minortom.plotting import patch_pictures as looks
from minortom.plotting.density_map import coast_lines
from minortom.plotting.patch_pictures import Pixels, data_uri
from minortom.sensors import SensorName

FloatArray = NDArray[np.float64]
_MARGIN_DEG = 5.0
_NAMES = {"s2": "Sentinel-2", "s1": "Sentinel-1", "both": "both sensors"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Card:
    """A query or a hit, as the page shows it."""

    columns: Mapping[str, Any]
    """Columns of the patch; for an image only `file`, the name of its file."""
    pictures: Mapping[SensorName, Pixels]
    cosine: float | None
    """Cosine between the query and the hit; None for the query."""

    def values(self) -> dict[str, Any]:
        """Return the columns and the cosine."""
        return {**self.columns, "cosine": self.cosine}


def search_page(
    query: Card, hits: Sequence[Card], *, sensors: tuple[str, str], provenance: Provenance
) -> str:
    """Return the page as HTML: one file that needs no network, with all values escaped.

    Args:
        query: The query.
        hits: The hits, nearest first.
        sensors: Sensors of the query's vector and of the hits' vectors.
        provenance: All that the page depends on.
    """
    environment = Environment(
        loader=PackageLoader("csmoe_model.retrieval"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    cards = [
        {**card.values(), "pictures": {name: data_uri(p) for name, p in card.pictures.items()}}
        for card in (query, *hits)
    ]
    return environment.get_template("search.html.j2").render(
        query=cards[0],
        hits=cards[1:],
        sensors=[_NAMES[name] for name in sensors],
        looks=looks,
        map=_map([card for card in cards if "lat" in card], coast_lines()),
        names=_NAMES,
        licences=provenance.licences,
        record=provenance.as_dict(),
    )


def _map(cards: Sequence[Mapping[str, Any]], coast: Sequence[FloatArray]) -> dict[str, Any]:
    """Return a map in degrees: its box, the coast as an SVG path, and the places.

    Args:
        cards: Patches with `lat` and `lon`.
        coast: Rings of coast lines [points, 2], longitude and latitude.
    """
    lon = np.array([card["lon"] for card in cards])
    lat = np.array([card["lat"] for card in cards])
    west, east = max(lon.min() - _MARGIN_DEG, -180), min(lon.max() + _MARGIN_DEG, 180)
    south, north = max(lat.min() - _MARGIN_DEG, -90), min(lat.max() + _MARGIN_DEG, 90)
    path = " ".join("M" + " ".join(f"{x:.1f},{-y:.1f}" for x, y in ring) + "Z" for ring in coast)
    return {
        "box": f"{west:.2f} {-north:.2f} {east - west:.2f} {north - south:.2f}",
        "coast": path, "size": max(east - west, north - south) / 60,
        "places": [
            {"x": card["lon"], "y": -card["lat"], "is_query": card["cosine"] is None}
            for card in cards
        ],
    }  # fmt: skip
