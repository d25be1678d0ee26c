"""Shards to batches: bands, normalisation, sampling order, loader, torch data set, seeded noise.

Layer: with `distributed`, above `config`.
"""
