"""The Major TOM grid, areas and points on the ground.

Layer: with `shards` and `remote`, above `io`.
"""

from typing import TYPE_CHECKING

from minortom.api.lazy import lazy_names

if TYPE_CHECKING:
    from minortom.grid.bbox import BBox as BBox
    from minortom.grid.cells import cells_at as cells_at
    from minortom.grid.cells import cells_from_names as cells_from_names
    from minortom.grid.cells import whole_grid as whole_grid
    from minortom.grid.footprints import cell_polygons as cell_polygons
    from minortom.grid.footprints import tile_bounds_m as tile_bounds_m
    from minortom.grid.footprints import tile_polygons as tile_polygons

__all__ = [
    "BBox",
    "cell_polygons",
    "cells_at",
    "cells_from_names",
    "tile_bounds_m",
    "tile_polygons",
    "whole_grid",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BBox": "minortom.grid.bbox",
        "cells_at": "minortom.grid.cells",
        "cells_from_names": "minortom.grid.cells",
        "whole_grid": "minortom.grid.cells",
        "cell_polygons": "minortom.grid.footprints",
        "tile_bounds_m": "minortom.grid.footprints",
        "tile_polygons": "minortom.grid.footprints",
    },
)
