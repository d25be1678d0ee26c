"""Shared by every evaluation: metrics, baselines, feature cache, tables, published results.

Layer: with `training`, above `inference`.
"""
