"""The folder of a training run: logs, pictures, trackers, curves, kept weights.

Layer: with `inference`, above `csmoe`.
"""
