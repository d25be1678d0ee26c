"""Annotate lists of cells with two maps, as most tests need it."""

from minortom.annotation.annotate import annotate


def annotate_lists(lists, climate, landcover, out, **more):
    return annotate(lists, climate=climate, landcover=landcover, out=out, **more).as_dict()
