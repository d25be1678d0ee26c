"""The vector of an image by the steps of docs/use.md."""

import numpy as np
import torch

from csmoe_model.csmoe import CSMoE


def by_hand(model_folder, sensor, pixels, names):
    """Return the vector of pixels in the units of the model."""
    model = CSMoE.from_pretrained(model_folder / "model")
    with torch.inference_mode():
        images = model.prepare(
            **{sensor: pixels[None].astype(np.float32), f"{sensor}_bands": names},
            image_size=model.config.image_size,
        )
        return model.encode(**images)[sensor][0].numpy()
