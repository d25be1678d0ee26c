"""Read and write files: atomic writes, provenance, GeoParquet and plain tables.

Layer: with `engine`, above the root modules.
"""
