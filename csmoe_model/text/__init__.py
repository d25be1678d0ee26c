"""Text models: search and classify patches by sentences of a closed vocabulary.

Layer: above `retrieval`, with which it shares the page of a search. The names below are public;
each is imported when it is first used.
"""

from typing import TYPE_CHECKING

from minortom.api.lazy import lazy_names

if TYPE_CHECKING:
    from csmoe_model.text.classify import classify as classify
    from csmoe_model.text.search import search as search
    from csmoe_model.text.train import train as train

__all__ = ["classify", "search", "train"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "classify": "csmoe_model.text.classify",
        "search": "csmoe_model.text.search",
        "train": "csmoe_model.text.train",
    },
)
