"""Names and checks of the experts of a model: which stay, and what their routing knows.

Layer: the lowest, without torch.
"""
