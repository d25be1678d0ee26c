"""Devices, processes and collective operations.

Layer: with `data`, above `config`.
"""
