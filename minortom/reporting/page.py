"""The page of a report: tables, pictures and the map in one HTML file.

The page needs no network. It has no path, host or time, so that the same inputs give the same
bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from minortom.io.provenance import Provenance
from minortom.plotting import charts, density_map
from minortom.plotting.html_page import page_template, png_uri
from minortom.reporting.comparison import Comparison
from minortom.reporting.inputs import Convergence, ReportInput
from minortom.reporting.map import map_part, split_counts
from minortom.reporting.measures import FloatArray, nearest_km
from minortom.reporting.spread_cover import JOIN, KM
from minortom.reporting.tables import grid_of_strata, table_of_sets, underfull_strata

TITLES = {
    "full": "full set", "random": "random", "farthest-point": "farthest point", "grts": "GRTS",
    "k-means": "k-means", "selection": "selection",
}  # fmt: skip
"""Set -> its name on the page."""
HELD_OUT_TITLES = {
    "nn_error": ("Prediction error", "σ; less is better"),
    "environment_cover": ("Environment cover", "σ; less is better"),
    "distortion": ("Distortion", "σ; less is better"),
    "accuracy": ("Accuracy", "share of tiles; more is better"),
    "share_difference": ("Difference of class shares", "less is better"),
}
"""Measure on held-out data -> its name on the page and its unit."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PageContent:
    """The content of the page."""

    source: ReportInput
    comparison: Comparison
    convergence: Convergence | None


def pictures(content: PageContent) -> dict[str, bytes]:
    """Draw the pictures of the report: name -> PNG."""
    lon, lat = _lonlat(content)
    compared = content.comparison
    panels = {
        f"{title}: {compared.metrics[name].tiles:,} tiles": (
            lon[compared.masks[name]], lat[compared.masks[name]],
        )
        for name, title in (("random", "Random draw"), ("selection", "Selection"))
    }  # fmt: skip
    tiles = compared.tiles
    drawn = {
        "density": density_map.density_map(panels, annotated=(lon, lat)),
        "strata": charts.strata_chart(tiles.strata.sizes, compared.held),
    }
    if compared.metrics["selection"].tiles > 1:
        nearest = {
            name: nearest_km(tiles.points[mask])
            for name, mask in compared.masks.items() if name != "full"
        }  # fmt: skip
        drawn["distances"] = charts.distance_chart(nearest)
    if content.convergence:
        drawn["convergence"] = charts.convergence_chart(content.convergence)
    return drawn


def page(content: PageContent, drawn: Mapping[str, bytes], provenance: Provenance) -> str:
    """Return the page as HTML.

    Args:
        content: The content of the page.
        drawn: Name of each picture -> PNG.
        provenance: What the report depends on.
    """
    compared, source = content.comparison, content.source
    lon, lat = _lonlat(content)
    by = source.options.get("stratify_by")
    return page_template("minortom.reporting", "report.html.j2").render(
        metrics=compared.metrics,
        draws=compared.draws,
        wanted=compared.wanted,
        titles=TITLES,
        num_kept=int(source.is_kept.sum()),
        stratified_by=by if isinstance(by, list) else [],
        search=source.search,
        budget_s=source.options.get("time_budget_s"),
        num_annotated=len(compared.tiles),
        num_strata=len(compared.tiles.strata),
        pictures={name: png_uri(png) for name, png in drawn.items()},
        rows=table_of_sets(compared),
        grid=grid_of_strata(source.annotated, compared.masks["selection"]),
        held_out=compared.held_out,
        spread=compared.spread,
        spread_titles=_spread_titles(compared),
        measures=HELD_OUT_TITLES,
        underfull=underfull_strata(compared),
        splits=split_counts(source),
        num_reserves=int((~source.is_selected).sum()),
        map=map_part(source),
        record=provenance.as_dict(),
        on_earth=density_map.on_earth(lon, lat),
    )


def _spread_titles(compared: Comparison) -> dict[str, tuple[str, str]]:
    """Return part of the space of ``--spread-over`` -> its name on the page and its unit."""
    units = compared.spread.units if compared.spread else {}
    several = iter(("all parts", "all columns"))  # in this order; the page lists the parts
    return {
        part: (
            next(several) if JOIN in part else part,
            "km; less is better" if unit == KM else "spreads; less is better",
        )
        for part, unit in units.items()
    }


def _lonlat(content: PageContent) -> tuple[FloatArray, FloatArray]:
    table = content.source.annotated
    return table["lon"].to_numpy(), table["lat"].to_numpy()
