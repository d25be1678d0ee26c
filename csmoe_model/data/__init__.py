"""Shards to batches: bands, normalisation, sampling order, loader, seeded noise.

Layer: with `distributed`, above `config`.
"""
