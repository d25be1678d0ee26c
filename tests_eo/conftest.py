"""Tests with TerraTorch, in a separate environment: `make test-eo`."""

import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "support")]  # the makers of sets and shards

# torchvision from the registry is a CUDA build. Beside a CPU build of torch its operators do
# not load, and importing it fails where it describes these two; with their schemas it works,
# but for the operators themselves, which nothing here calls.
if not torch.cuda.is_available() and "+cpu" in torch.__version__:
    SCHEMAS = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        SCHEMAS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
