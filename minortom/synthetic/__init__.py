"""Synthetic planet with maps, cells and a small archive: `minortom demo`.

Layer: beside `annotation` and `sampling`, above `archive`.
"""

from typing import TYPE_CHECKING

from minortom.api.lazy import lazy_names

if TYPE_CHECKING:
    from minortom.synthetic.noise import Window as Window
    from minortom.synthetic.scene import Scene as Scene
    from minortom.synthetic.scene import render as render

__all__ = ["Scene", "Window", "render"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Scene": "minortom.synthetic.scene",
        "render": "minortom.synthetic.scene",
        "Window": "minortom.synthetic.noise",
    },
)
