"""Clusters of cells by their embeddings: `minortom cluster`.

Layer: with `annotation` and `sampling`, above `plotting`.
"""
