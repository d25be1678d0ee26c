"""Annotate cells with two maps, as most tests need it."""

import json

import pyarrow.parquet as pq
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.annotation.annotate import annotate

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
