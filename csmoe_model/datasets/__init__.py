"""Labelled sets for evaluation.

Layer: with `nn`, above `data`.
"""
