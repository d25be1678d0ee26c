"""Licence, attribution and citation of the pixels of an archive, which its shards inherit."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PixelCredit:
    """Origin and licence of pixels, in the forms that records, cards and catalogues need."""

    line: str
    """Line among the licences of what is made from the pixels."""
    licence: str
    """SPDX identifier of the licence."""
    licence_url: str
    attribution: str
    title: str
    """Title of a data set of these pixels."""
    terms: str
    """Sentences about licence and attribution, for a card."""
    tag: str
    """Tag of a data set on the hub."""
    citation: str | None
    """Publication to cite; None if there is none."""


MAJOR_TOM = PixelCredit(
    line="Major TOM Core: CC-BY-SA-4.0, contains modified Copernicus Sentinel data",
    licence="CC-BY-SA-4.0",
    licence_url="https://creativecommons.org/licenses/by-sa/4.0/",
    attribution="contains modified Copernicus Sentinel data",
    title="Sentinel-1 and Sentinel-2 patches from Major TOM",
    terms=(
        "Licence CC BY-SA 4.0, inherited from Major TOM Core. Attribution: contains modified "
        "Copernicus Sentinel data."
    ),
    tag="major-tom",
    citation=(
        "Francis, A., and Czerkawski, M.: Major TOM: Expandable Datasets for Earth Observation, "
        "2024, https://arxiv.org/abs/2402.12095"
    ),
)
"""Credit of Major TOM's archives, and of all archives whose metadata record no licences."""

MADE_UP = PixelCredit(
    line="made up by minortom demo (CC0-1.0): no real place",
    licence="CC0-1.0",
    licence_url="https://creativecommons.org/publicdomain/zero/1.0/",
    attribution="made up by minortom demo: no real place",
    title="Synthetic Sentinel-1 and Sentinel-2 patches",
    terms="Licence CC0 1.0. The pixels are made up by minortom demo and show no real place.",
    tag="synthetic",
    citation=None,
)
"""Credit of the synthetic planet; its line is also that of the planet's maps."""


def pixel_credit(licences: Sequence[str]) -> PixelCredit:
    """Return the credit of the pixels of shards with these licences.

    Real maps beside synthetic pixels do not matter. Where Major TOM is among the licences, its
    stricter licence applies to all.
    """
    made_up = MADE_UP.line in licences and MAJOR_TOM.line not in licences
    return MADE_UP if made_up else MAJOR_TOM
