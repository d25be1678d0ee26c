"""The genetic search within one stratum: kernels, objectives and operators on arrays.

Layer: with `downloads` and `archive`, above `maps`.
"""
