"""Encode patches, scenes and data sets: `csmoe embed`, `csmoe export`.

Layer: with `runs`, above `csmoe`.
"""
