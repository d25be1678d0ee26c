"""A finished data set of shards: card, Croissant record, `minortom verify`, `show` and `publish`.

Layer: with `reporting`, above `annotation`.
"""
