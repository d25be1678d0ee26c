"""Page of a search: pictures of the query and its hits, their columns, and a map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minortom.io.provenance import Provenance
from minortom.plotting import patch_pictures as looks
from minortom.plotting.density_map import coast_lines_near, extent
from minortom.plotting.html_page import page_template
from minortom.plotting.patch_pictures import Pixels, data_uri
from minortom.sensors import SensorName

FloatArray = NDArray[np.float64]
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


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A query in words."""

    text: str
    understood: Sequence[str]
    """Words that the text model knows."""
    unknown: Sequence[str]
    """Words that were left out."""


def search_page(
    query: Card | Sentence, hits: Sequence[Card], *, sensors: tuple[str, str],
    provenance: Provenance, left_out: str | None = None,
) -> str:  # fmt: skip
    """Return the page as HTML: one file that needs no network, with all values escaped.

    Args:
        query: The query.
        hits: The hits, nearest first.
        sensors: Sensors of the query's vector, ignored for a sentence, and of the hits' vectors.
        provenance: All that the page depends on.
        left_out: Patches that cannot be hits, as words; None if all patches can.
    """
    is_sentence = isinstance(query, Sentence)
    cards = [
        {**card.values(), "pictures": {name: data_uri(p) for name, p in card.pictures.items()}}
        for card in ((*hits,) if isinstance(query, Sentence) else (query, *hits))
    ]
    return page_template("csmoe_model.retrieval", "search.html.j2").render(
        query=None if is_sentence else cards[0],
        words=query if is_sentence else None,
        subject=_subject(query),
        hits=cards[0 if is_sentence else 1 :],
        compared=_compared(query, *(_NAMES[name] for name in sensors)),
        left_out=left_out,
        looks=looks,
        map=_map([card for card in cards if "lat" in card]),
        names=_NAMES,
        record=provenance.as_dict(),
    )


def _subject(query: Card | Sentence) -> str:
    """Return the name of a query, for the title."""
    if isinstance(query, Sentence):
        return f"“{query.text}”"
    return str(query.columns.get("file") or query.columns["grid_cell"])


def _compared(query: Card | Sentence, of_query: str, of_patches: str) -> str:
    """Return the sentence that says what is compared."""
    what = "The sentence" if isinstance(query, Sentence) else f"{of_query} of the query"
    return f"{what} compared with {of_patches} of the patches, by cosine."


def _map(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a map in degrees: its box, the coast as an SVG path, and the places.

    Args:
        cards: Patches with `lat` and `lon`.
    """
    lon = np.array([card["lon"] for card in cards])
    lat = np.array([card["lat"] for card in cards])
    west, south, east, north = extent(lon, lat)
    path = " ".join(
        "M" + " ".join(f"{x:.1f},{-y:.1f}" for x, y in ring) + "Z"
        for ring in coast_lines_near(lon, lat)
    )
    return {
        "box": f"{west:.2f} {-north:.2f} {east - west:.2f} {north - south:.2f}",
        "coast": path, "size": max(east - west, north - south) / 60,
        "places": [
            {"x": card["lon"], "y": -card["lat"], "is_query": card["cosine"] is None}
            for card in cards
        ],
    }  # fmt: skip
