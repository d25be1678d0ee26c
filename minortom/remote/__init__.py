"""Read from HTTP and from the Hugging Face hub, and upload to the hub.

Layer: with `grid` and `shards`, above `io`.
"""
