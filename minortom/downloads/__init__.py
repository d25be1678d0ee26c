"""Downloads of maps into the cache, `minortom fetch`, and maps by name.

Layer: beside `genetic` and `archive`, above `maps`.
"""
