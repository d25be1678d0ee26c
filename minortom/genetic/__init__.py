"""The genetic search within one stratum: kernels, objectives, operators; arrays only, no files.

Layer: with `downloads` and `archive`, above `maps`.
"""
