"""Categorical maps: manifests, rasters, classes at points and counted in cells.

Layer: with `plotting` and `scenes`, above `grid`.
"""
