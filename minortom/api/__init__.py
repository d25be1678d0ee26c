"""Building blocks of the public functions: arguments, choices, results, lazy names, cores.

Layer: below `io` and `engine`, above the root modules.
"""
