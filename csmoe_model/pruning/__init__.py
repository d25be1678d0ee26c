"""Smaller models for a sensor: `csmoe prune` scores, removes and recovers experts.

Layer: above `analysis` and `training`, whose files it uses.
"""
