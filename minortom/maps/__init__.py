"""Maps of classes and continuous rasters: manifests, values at points and over cells.

Layer: with `plotting` and `scenes`, above `grid`.
"""
