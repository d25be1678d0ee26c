"""Parts that all evaluations share: metrics, baselines, feature cache, tables, published results.

Layer: with `training`, above `inference`.
"""
