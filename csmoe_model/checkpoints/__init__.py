"""Weights on disk and on the hub: load, save, share.

Layer: above `nn`.
"""
