"""Weights on disk and on the hub: load, use, save, share.

Layer: above `nn`.
"""
