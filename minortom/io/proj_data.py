"""Check of the data of PROJ, which defines coordinate systems."""

import os
from functools import cache

from minortom.errors import InputError

_VARIABLES = ("PROJ_DATA", "PROJ_LIB")


@cache
def require_proj_data() -> None:
    """Check that rasterio finds the definitions of coordinate systems.

    Raises:
        InputError: If ``PROJ_DATA`` or ``PROJ_LIB`` names a folder without them, or one of another
            version of PROJ, as other programs set it.
    """
    import rasterio
    from rasterio.errors import CRSError

    try:
        with rasterio.Env():  # turns what GDAL would print into a log
            rasterio.CRS.from_epsg(32631)
    except CRSError:
        named = next((name for name in _VARIABLES if name in os.environ), None)
        if named is None:
            raise
        raise InputError(
            f"{named} must name a folder with the proj.db of rasterio's version of PROJ, found "
            f"{os.environ[named]}; unset {named}"
        ) from None
