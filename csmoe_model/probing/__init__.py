"""`csmoe probe` and `csmoe compare`: classifiers on frozen features.

Layer: above `evaluation`.
"""
