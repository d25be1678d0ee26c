"""`minortom fetch`: download maps into the cache; find a map by its name.

Layer: with `genetic` and `archive`, above `maps`.
"""
