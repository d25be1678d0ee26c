"""`csmoe train`: pretrain a model on shards.

Layer: with `evaluation`, above `runs`.
"""
