"""Picture of validation pairs: the images, their visible patches and the reconstructions.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    U  visible patches
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from csmoe_model.data.loader import Batch
from csmoe_model.data.normalise import Normalise
from csmoe_model.distributed.collectives import single_process
from csmoe_model.distributed.device import autocast
from csmoe_model.nn.masking import Mask, masks_of
from csmoe_model.runs.trackers import Picture
from csmoe_model.training.module import Pretraining
from minortom.plotting.patch_pictures import picture
from minortom.sensors import GROUPS, MODEL_BANDS, SensorName

_SIDE_PX, _GAP_PX, _LABEL_PX = 120, 4, 130
_HIDDEN = 0.5
"""Grey value of patches that are hidden or not reconstructed."""
_NAMES: dict[SensorName, str] = {"s2": "Sentinel-2", "s1": "Sentinel-1"}


def reconstruction_sheet(run: Pretraining, batch: Batch) -> Picture:
    """Draw the pairs of a batch, one per column, with the masks of the validation.

    Each sensor has four rows: the image; its visible patches; the visible patches with the hidden
    ones reconstructed from them; and the patches reconstructed from the other sensor. The last
    row shows the patches that were hidden in the other sensor, since only those are trained.
    """
    device, config = run.device, run.model.config
    masks = masks_of(config, batch.samples, seed=run.config.seed, epoch=batch.epoch)
    images = run.normalise({name: tensor.to(device) for name, tensor in batch.tensors.items()})
    run.model.eval()
    try:
        with torch.no_grad(), single_process(), autocast(device):
            output = run.model(images["s2"], images["s1"], masks.to(device), reconstruct=True)
    finally:
        run.model.train()
    seen = {name: _seen(masks.of(name), config.grid_size, config.patch_size) for name in _NAMES}
    rows: list[tuple[str, NDArray[np.float32]]] = []
    for sensor, name in _NAMES.items():
        other: SensorName = "s1" if sensor == "s2" else "s2"
        image = _pictures(run.normalise, sensor, images[sensor])
        own, crossed = (
            _pictures(run.normalise, sensor, output.reconstructions[f"{sensor}_{source}"])
            for source in (sensor, other)
        )
        rows += [
            (name, image),
            ("visible", np.where(seen[sensor], image, _HIDDEN)),
            ("reconstructed", np.where(seen[sensor], image, own)),
            (f"from {_NAMES[other]}", np.where(seen[other], _HIDDEN, crossed)),
        ]
    return _sheet(rows)


def _seen(mask: Mask, grid: int, patch: int) -> NDArray[np.bool_]:
    """Return a mask of the pixels in visible patches, [image, row, column, 1]."""
    visible_BU = mask.visible_BU.cpu().numpy()
    seen = np.zeros((len(visible_BU), grid * grid), bool)
    np.put_along_axis(seen, visible_BU, values=True, axis=1)
    return seen.reshape(-1, grid, grid).repeat(patch, 1).repeat(patch, 2)[..., None]


def _pictures(normalise: Normalise, sensor: SensorName, image_BCHW: Tensor) -> NDArray[np.float32]:
    """Convert normalised images to RGB pictures, [image, row, column, 3]."""
    scale = next(group.scale for group in GROUPS if group.sensor == sensor)
    stored = normalise.stored_values(sensor, image_BCHW.float()).cpu().numpy() * scale
    return np.stack(
        [picture(sensor, dict(zip(MODEL_BANDS[sensor], image, strict=True))) for image in stored]
    )


def _sheet(rows: list[tuple[str, NDArray[np.float32]]]) -> Picture:
    """Arrange pictures in one row per name, with the names on the left."""
    step, columns = _SIDE_PX + _GAP_PX, len(rows[0][1])
    sheet = Image.new("RGB", (_LABEL_PX + columns * step, len(rows) * step), "white")
    draw = ImageDraw.Draw(sheet)
    for line, (name, pictures) in enumerate(rows):
        top = line * step
        draw.text((4, top + _SIDE_PX // 2 - 6), name, fill="black")
        for place, pixels in enumerate(pictures):
            tile = Image.fromarray((pixels * 255).round().astype(np.uint8))
            resampling = Image.Resampling.NEAREST  # keeps patches and pixels sharp
            sheet.paste(
                tile.resize((_SIDE_PX, _SIDE_PX), resampling), (_LABEL_PX + place * step, top)
            )
    return np.asarray(sheet)
