"""Training of specialists: small networks for the labels of one sensor.

Layer: above `finetuning`, with which it shares batches and losses. The name below is public; it is
imported when it is first used.
"""

from typing import TYPE_CHECKING

from minortom.api.lazy import lazy_names

if TYPE_CHECKING:
    from csmoe_model.specialists.training import train as train

__all__ = ["train"]

__getattr__, __dir__ = lazy_names(__name__, {"train": "csmoe_model.specialists.training"})
