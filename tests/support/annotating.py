"""Annotate lists of cells with two maps, as most tests want it."""

from pathlib import Path

from minortom.annotation.annotate import annotate_file
from minortom.annotation.options import AnnotateOptions, Maps, Sources
from minortom.downloads.open_map import MapChoice


def annotate_lists(lists, climate, landcover, out, *, landcover_legend=None, bbox=None, **more):
    maps = Maps(
        climate=MapChoice(map=str(climate)),
        landcover=MapChoice(map=str(landcover), legend=landcover_legend),
    )
    sources = Sources(cells=[str(path) for path in lists])
    return annotate_file(sources, maps, Path(out), options=AnnotateOptions(bbox=bbox), **more)
