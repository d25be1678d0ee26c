"""Draw density maps, charts, the interactive map and pictures of patches.

Layer: with `maps` and `scenes`, above `grid`.
"""
