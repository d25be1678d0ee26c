"""Retrieval by nearest vectors: `csmoe retrieve` and `csmoe search`.

Layer: above `probing`.
"""
