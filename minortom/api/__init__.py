"""Building blocks of the public functions: checked arguments, choices, results, lazy names.

Layer: below `io` and `engine`, above the root modules.
"""
