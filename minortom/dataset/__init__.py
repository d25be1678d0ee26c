"""A finished data set of shards: its card, and `minortom verify`, `show` and `publish`.

Layer: with `reporting`, above `annotation`.
"""
