"""Annotate cells with two maps, as most tests need it."""

import json

import pyarrow.parquet as pq
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.annotation.annotate import annotate

OWN = ("lat", "lon", "climate", "landcover", "climate_code", "landcover_code", "stratum", "bbox",
       "geometry")  # fmt: skip
"""Columns of every annotated file."""
CELLS = ["0U_0R", "0U_1R", "1U_0R", "50U_50R"]
MANIFEST = """
name: ecoregions-2017
title: Ecoregions
version: "2017"
url: https://example.org/ecoregions.tif
checksum: null
licence: CC-BY-4.0
attribution: Made up, CC BY 4.0
citation: Nobody (2017)
crs: EPSG:4326
legend:
  name: ecoregion
  nodata: [0]
  classes: {1: taiga, 2: mangrove}
"""


def annotate_lists(lists, climate, landcover, out, **more):
    return annotate(lists, climate=climate, landcover=landcover, out=out, **more).as_dict()


def annotated(arguments, capsys, *more):
    assert run(app, [*arguments, "--overwrite", *more]) == 0, capsys.readouterr().err
    summary = json.loads(capsys.readouterr().out)
    return summary, pq.read_table(summary["out"])


def further_rows(table):
    """Return the further columns of each cell."""
    names = [name for name in table.column_names if name not in OWN]
    return {row.pop("grid_cell"): row for row in table.select(names).to_pylist()}
