"""GeoTIFFs of a user as scenes and images, and feature maps written as GeoTIFFs.

Layer: with `maps` and `plotting`, above `grid`.
"""
