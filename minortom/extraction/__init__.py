"""Extraction of patches from archives to shards: `minortom export`.

Layer: the top of `minortom`.
"""
