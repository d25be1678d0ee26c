"""Text of `--help`: layout, examples and panels of options."""
