"""Ensembles of frozen extractors: members selected, ensembles written and enlarged.

Layer: the top of `csmoe_model`. An ensemble is run in `csmoe_model.extractors`. The names below are
public; each is imported when it is first used.
"""

from typing import TYPE_CHECKING

from minortom.api.lazy import lazy_names

if TYPE_CHECKING:
    from csmoe_model.ensembles.adding import add as add
    from csmoe_model.ensembles.building import build as build

__all__ = ["add", "build"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {"add": "csmoe_model.ensembles.adding", "build": "csmoe_model.ensembles.building"},
)
