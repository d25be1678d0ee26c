"""`minortom annotate`: cells to annotated.parquet (Algorithm 1).

Layer: with `sampling` and `synthetic`, above `archive`.
"""
