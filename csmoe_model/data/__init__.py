"""Shards to batches: bands, normalisation, sampling order, loader, torch data set, seeds, noise.

Layer: with `distributed`, above `config`.
"""
