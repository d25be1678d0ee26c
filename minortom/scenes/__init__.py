"""Read a user's own GeoTIFFs; write feature maps.

Layer: with `maps` and `plotting`, above `grid`.
"""
