"""Cut synthetic tiles, for the tests of patches."""

import numpy as np
from archive_maker import s1_geotiffs, s1_pixels, s2_geotiffs, s2_pixels

from minortom.extraction.options import ExportOptions
from minortom.extraction.patches import cut_tile

OLD = "S2B_MSIL2A_20200223T032739_N0214_R018_T48QUE_20200223T183543"
NEW = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419"


def cut(s2=None, s1=None, *, product=OLD, patch_px=12, **options):
    """Cut a tile of 48 px, 4 × 4 patches, from pixels or GeoTIFFs by band."""
    s2, s1 = s2_pixels() if s2 is None else s2, s1_pixels() if s1 is None else s1
    as_bytes = [
        {name: encode({name: band})[name] if isinstance(band, np.ndarray) else band
         for name, band in bands.items()}
        for bands, encode in ((s2, s2_geotiffs), (s1, s1_geotiffs))
    ]  # fmt: skip
    options = ExportOptions(patch_px=patch_px, **options)
    return cut_tile(*as_bytes, options=options, s2_product_id=product)


def places(patches):
    return list(zip(patches.patch_row.tolist(), patches.patch_col.tolist(), strict=True))
