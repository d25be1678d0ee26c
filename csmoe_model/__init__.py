"""CSMoE: a cross-sensor masked autoencoder with soft mixture-of-experts layers.

The names below are the Python API. Each is imported when it is first used, so that
``import csmoe_model`` loads neither numpy nor torch.
"""

from typing import TYPE_CHECKING

from minortom.lazy import lazy_names

if TYPE_CHECKING:
    from csmoe_model.config import recipe as recipe
    from csmoe_model.csmoe import CSMoE as CSMoE

__all__ = ["CSMoE", "recipe"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CSMoE": "csmoe_model.csmoe",
        "recipe": "csmoe_model.config",
    },
)
