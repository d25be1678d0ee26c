"""Categorical maps: manifests, rasters, classes at points and class counts of cells.

Layer: with `plotting` and `scenes`, above `grid`.
"""
