"""`csmoe probe` and `csmoe compare`: heads on frozen features.

Layer: above `evaluation`.
"""
