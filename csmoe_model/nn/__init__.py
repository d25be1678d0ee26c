"""The network: layers, soft mixture of experts, encoders, decoder, masks, losses, costs.

Layer: with `datasets`, above `data`.
"""
