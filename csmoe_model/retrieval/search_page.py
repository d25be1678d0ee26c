"""The page of a search: the query and its hits as pictures, what they are, and where."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from minortom.io.provenance import Provenance
from minortom.plotting import patch_pictures as looks
from minortom.plotting.patch_pictures import Pixels, data_uri
from minortom.sensors import SensorName

FloatArray = NDArray[np.float64]
_MARGIN_DEG = 5.0
_NAMES = {"s2": "Sentinel-2", "s1": "Sentinel-1", "both": "both sensors"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """A query or a hit."""

    what: Mapping[str, Any]
    """Its columns; of an image the name of its `file` alone."""
    pictures: Mapping[SensorName, Pixels]
    cosine: float | None

    def told(self) -> dict[str, object]:
        """Give what is known of it, without pictures."""
        return {**self.what, "cosine": self.cosine}


def search_page(
    query: Shown, hits: Sequence[Shown], *, sensors: tuple[str, str],
    coast: Sequence[FloatArray], provenance: Provenance,
) -> str:  # fmt: skip
    """Write the page: one file that needs no network, with everything escaped.

    Args:
        query: What was looked for.
        hits: What was found, nearest first.
        sensors: Whose vectors of the query and of the hits were compared.
        coast: Rings of coast lines [points, 2], longitude and latitude.
        provenance: What the page depends on.
    """
    environment = Environment(
        loader=PackageLoader("csmoe_model.retrieval"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    cards = [
        {**shown.told(), "pictures": {name: data_uri(p) for name, p in shown.pictures.items()}}
        for shown in (query, *hits)
    ]
    return environment.get_template("search.html.j2").render(
        query=cards[0],
        hits=cards[1:],
        sensors=[_NAMES[name] for name in sensors],
        looks=looks,
        map=_map([card for card in cards if "lat" in card], coast),
        names=_NAMES,
        licences=provenance.licences,
        record=json.loads(provenance.to_json()),
    )


def _map(cards: Sequence[Mapping[str, Any]], coast: Sequence[FloatArray]) -> dict[str, Any]:
    """Lay out a map of degrees: its box, the coast as a path, and the places."""
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
