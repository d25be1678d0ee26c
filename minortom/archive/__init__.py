"""Major TOM archives: products, parts and rows, and pairs of Sentinel-2 and Sentinel-1.

Layer: with `genetic` and `downloads`, above `maps`.
"""
