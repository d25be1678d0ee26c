"""The encoder of one sensor as a graph for other runtimes: ONNX, or a program of torch.export.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    D  token width
    T  tokens of an image: [CLS] and its patches
"""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from csmoe_model.checkpoints.card_usage import GRAPH_FILES, graph_usage
from csmoe_model.checkpoints.hub import CARD, CONFIG
from csmoe_model.checkpoints.weights import StoredModel, card_of, write_config
from csmoe_model.choices import GraphFormat
from csmoe_model.csmoe import CSMoE
from csmoe_model.data.preprocess import UNITS
from csmoe_model.optional_packages import require_packages
from minortom.errors import InputError
from minortom.io.atomic_write import write_text
from minortom.io.provenance import KEY
from minortom.sensors import MODEL_BANDS, SensorName

_MAX_ONNX_BYTES = 2**31 - 2**20
"""Largest weights that fit into a file of ONNX, which is a protocol buffer of at most 2 GiB."""


class PixelsToVectors(nn.Module):
    """From measured images of one sensor to [CLS] vectors and patch tokens."""

    def __init__(self, model: CSMoE, sensor: SensorName) -> None:
        """Take the encoder of a sensor and the statistics of its training data."""
        super().__init__()
        assert model.preprocess is not None  # of weights that were loaded
        self.backbone, self.sensor = model.backbone, sensor
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", getattr(model.preprocess, f"{sensor}_mean"))
        self.register_buffer("std", getattr(model.preprocess, f"{sensor}_std"))

    def forward(self, image_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors [B, D] and the tokens of the patches [B, N, D]."""
        normal_BCHW = (image_BCHW - self.mean) / self.std
        token_BTD = self.backbone.tokens(self.sensor, normal_BCHW)
        return token_BTD[:, 0], token_BTD[:, 1:]


def check_graph_packages(form: GraphFormat) -> None:
    """Check that the packages for a format are installed.

    Raises:
        InputError: If one is missing.
    """
    if form == "onnx":
        require_packages("onnx", "onnxscript", extra="onnx")


def write_graph(folder: Path, part: StoredModel, *, sensor: SensorName, form: GraphFormat) -> None:
    """Write the graph of an encoder with its configuration and a card.

    Args:
        folder: An existing folder.
        part: The encoder of the sensor.
        sensor: Sensor of the images.
        form: Format of the graph.

    Raises:
        InputError: If the weights are too large for the format.
    """
    size = part.config.image_size
    encoder = PixelsToVectors(CSMoE.from_stored(part), sensor).eval()
    # Two images: a batch of one would be taken for a constant.
    example_BCHW = torch.zeros(2, len(MODEL_BANDS[sensor]), size, size)
    shape = f"[batch, {example_BCHW.shape[1]}, {size}, {size}] float32"
    metadata = {
        KEY: json.dumps(part.origin.record, sort_keys=True, ensure_ascii=False),
        "input": f"{sensor} {shape}, {UNITS[sensor][0]}, bands {' '.join(MODEL_BANDS[sensor])}",
        "outputs": f"vectors [batch, {part.config.width}], tokens [batch, "
        f"{part.config.num_patches}, {part.config.width}]",
    }
    write = _write_onnx if form == "onnx" else _write_program
    with torch.no_grad(), _quiet_exporter():
        write(folder / GRAPH_FILES[form], encoder, example_BCHW, metadata)
    write_config(folder / CONFIG, part)
    usage = graph_usage(form, sensor, image_size=size)
    write_text(folder / CARD, card_of(part, usage))


def _write_onnx(
    file: Path, encoder: PixelsToVectors, example_BCHW: Tensor, metadata: Mapping[str, str]
) -> None:
    num_bytes = sum(tensor.nbytes for tensor in encoder.state_dict().values())
    if num_bytes > _MAX_ONNX_BYTES:
        raise InputError(
            f"an ONNX file holds at most 2 GiB, and the encoder has {num_bytes / 2**30:.1f} GiB; "
            "give --format torch-export"
        )
    program = torch.onnx.export(
        encoder, (example_BCHW,), dynamo=True, external_data=False, verbose=False,
        input_names=[encoder.sensor], output_names=["vectors", "tokens"],
        dynamic_shapes=_any_batch(),
    )  # fmt: skip
    assert program is not None  # with dynamo
    program.model.metadata_props.update(metadata)
    program.save(file, external_data=False)


def _write_program(
    file: Path, encoder: PixelsToVectors, example_BCHW: Tensor, metadata: Mapping[str, str]
) -> None:
    program = torch.export.export(encoder, (example_BCHW,), dynamic_shapes=_any_batch())
    torch.export.save(program, file, extra_files=dict(metadata))


def _any_batch() -> dict[str, dict[int, torch.export.Dim]]:
    return {"image_BCHW": {0: torch.export.Dim("batch", min=1)}}


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence the exporter's warnings about its own code and about packages that it can use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
