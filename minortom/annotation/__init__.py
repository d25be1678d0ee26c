"""Annotation of cells with climate, land cover and stratum: `minortom annotate`.

Layer: with `sampling` and `synthetic`, above `archive`.
"""
