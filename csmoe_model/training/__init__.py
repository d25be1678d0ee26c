"""Pretraining of a model on shards: `csmoe_model.train`, `csmoe train`.

Layer: with `evaluation`, above `runs`.
"""
