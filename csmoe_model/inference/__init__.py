"""Inference with trained encoders: shards, scenes and labelled sets; `csmoe embed` and `export`.

Layer: with `runs`, above `csmoe`.
"""
