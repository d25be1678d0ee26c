"""CSMoE: the pretraining model with encoders, decoders and the objective.

Axes, as name suffixes:
    B  images in a batch    C  bands (C2 of Sentinel-2, C1 of Sentinel-1)
    H W  pixel rows and columns    D  token width
    N  patches    U  visible    M  masked    P  values in a patch    L  layers    E  experts
    T  tokens of an image: [CLS] and the visible patches
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from csmoe_model.checkpoints.pretrained import Pretrained
from csmoe_model.config import ModelConfig
from csmoe_model.data.bands import check_image
from csmoe_model.distributed.collectives import gather_rows
from csmoe_model.distributed.device import HALF
from csmoe_model.experts.conditions import Granularity
from csmoe_model.nn.backbone import SENSORS
from csmoe_model.nn.decoder import Decoder, decode_sources
from csmoe_model.nn.layers import (
    NORM_EPS,
    at_least_float32,
    initialise,
    patchify,
    take_tokens,
    takes_weight_decay,
    unpatchify,
)
from csmoe_model.nn.losses import (
    LayerTerms,
    mean_terms,
    mutual_information_loss,
    reconstruction_loss,
    routing_terms,
)
from csmoe_model.nn.masking import Masks
from csmoe_model.nn.pretrain_output import PretrainOutput, regularisers
from csmoe_model.nn.shapes import Float
from csmoe_model.nn.soft_moe import Routing
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS, SensorName


class CSMoE(Pretrained):
    """The pretraining model: an encoder, `backbone`, and the parts that only pretraining needs.

    `prepare`, `encode` and `features` use the encoder; `from_pretrained` loads, `save_pretrained`
    and `push_to_hub` store a model.
    """

    def __init__(
        self, config: ModelConfig, *, encoder_of: Sequence[SensorName] | None = None
    ) -> None:
        """Build the model with random weights from torch's global generator.

        Args:
            config: Sizes and options of the model.
            encoder_of: Sensors of an encoder without decoders, which cannot be pretrained; the
                whole model when None.

        Raises:
            InputError: If `config` is not a `ModelConfig`.
        """
        super().__init__(config, encoder_of=encoder_of)
        if encoder_of is not None:
            return
        self.decoders = nn.ModuleDict(
            {target: Decoder(config, target=target, sources=SENSORS) for target in SENSORS}
        )
        # One projector for both sensors, since both are in the common space.
        self.projector: nn.Module = nn.Identity()
        if config.projector == "on":
            self.projector = nn.Sequential(
                nn.LayerNorm(config.width, eps=NORM_EPS), nn.Linear(config.width, config.width)
            )
            self.projector.apply(initialise)

    def forward(
        self,
        s2_BCHW: Float[Tensor, "B C2 H W"] | NDArray[np.generic],
        s1_BCHW: Float[Tensor, "B C1 H W"] | NDArray[np.generic],
        masks: Masks,
        *,
        reconstruct: bool = False,
    ) -> PretrainOutput:
        """Compute the objective on a batch of pairs.

        Args:
            s2_BCHW: Normalised Sentinel-2 images at `config.image_size`.
            s1_BCHW: The Sentinel-1 images of the same places.
            masks: Masked patches of each sensor, from `nn.masking.draw_masks`. With the patches
                of local crops, from `draw_crops`, crops are contrasted with the whole images.
            reconstruct: Whether to return the four reconstructions as images, too.

        Raises:
            InputError: If an image does not have the size or the bands of the model, there is no
                image, or the model has no decoders or weights in half precision.
        """
        self._check_can_pretrain()
        patches = self._patches(
            {"s2": self._tensor("s2", s2_BCHW), "s1": self._tensor("s1", s1_BCHW)}
        )
        config = self.config
        visible = {sensor: masks.of(sensor).visible_BU for sensor in SENSORS}
        encoded, layers = self._encode(patches, visible)
        vectors = self._contrasted(encoded)
        mi = mutual_information_loss(
            vectors["s2"], vectors["s1"], temperature=config.mi_temperature, form=config.mi_form
        )
        rec, reconstructions = self._reconstruct(patches, encoded, masks, reconstruct=reconstruct)
        local_global = None
        if masks.crop_BK is not None:
            crops, of_crops = self._encode(patches, dict.fromkeys(SENSORS, masks.crop_BK), "local")
            local_global = self._local_global(vectors, self._contrasted(crops))
            layers = mean_terms(layers, of_crops)
        rep, bal, uses = regularisers(layers, config, like=mi)

        umr, cmr = rec["s2_s2"] + rec["s1_s1"], rec["s2_s1"] + rec["s1_s2"]
        loss = umr + cmr + mi + (config.rep_weight * rep + config.bal_weight * bal)
        if local_global is not None:
            loss = loss + config.local_global * local_global
        return PretrainOutput(
            loss=loss,
            umr=umr, cmr=cmr, mi=mi, rep=rep, bal=bal,
            rec_s2_s2=rec["s2_s2"], rec_s2_s1=rec["s2_s1"],
            rec_s1_s1=rec["s1_s1"], rec_s1_s2=rec["s1_s2"],
            local_global=local_global,
            layers=uses,
            reconstructions=reconstructions,
        )  # fmt: skip

    def _check_can_pretrain(self) -> None:
        if self.encoder_only is not None:
            raise InputError(
                "pretraining needs decoders, and this model is an encoder only; load the folder of "
                "the run that it was exported from"
            )
        dtype = self.backbone.encoder_of("s2").cls_D.dtype
        if dtype in HALF:
            raise InputError(
                f"pretraining needs weights in float32, found {dtype}; call model.float() and use "
                "torch.autocast"
            )

    def parameter_groups(self, weight_decay: float) -> list[dict[str, object]]:
        """Return the parameter groups for AdamW: no decay on norms, biases, tokens and scales."""
        decayed: list[nn.Parameter] = []
        kept: list[nn.Parameter] = []
        for name, weight in self.named_parameters():
            (decayed if takes_weight_decay(name, weight) else kept).append(weight)
        return [
            {"params": decayed, "weight_decay": weight_decay},
            {"params": kept, "weight_decay": 0.0},
        ]

    def _patches(self, images: Mapping[SensorName, Tensor]) -> dict[SensorName, Tensor]:
        size = self.config.image_size
        for sensor, image_BCHW in images.items():
            check_image(sensor, image_BCHW)
            if image_BCHW.shape[2:] != (size, size):
                found = " x ".join(str(side) for side in image_BCHW.shape[2:])
                raise InputError(
                    f"pretraining needs {sensor} images of {size} x {size} pixels, the image_size "
                    f"of the model, found {found}; resize them"
                )
        return {
            sensor: patchify(image_BCHW, self.config.patch_size)
            for sensor, image_BCHW in images.items()
        }

    def _encode(
        self,
        patches: Mapping[SensorName, Tensor],
        visible: Mapping[SensorName, Tensor],
        granularity: Granularity = "whole",
    ) -> tuple[dict[SensorName, Float[Tensor, "B T D"]], LayerTerms]:
        """Encode some patches of both sensors; also return the routing terms of each layer."""
        layers: LayerTerms = []

        def note(prefix: str, count: list[int], x_BTD: Tensor, routing: Routing | None) -> None:
            del x_BTD
            if routing is None:
                return
            config = self.config
            terms = routing_terms(routing, rep_form=config.rep_form, bal_form=config.bal_form)
            layers.append((f"{prefix}.{len(count)}", terms))
            count.append(1)

        tokens = [
            self.backbone.sensors[sensor](
                patches_BNP,
                visible_BU=visible[sensor],
                on_layer=partial(note, sensor, []),
            )
            for sensor, patches_BNP in patches.items()
        ]
        # Both sensors as one batch: images do not affect each other, and the usage of the shared
        # experts is balanced over both sensors, so that an expert may specialise in one.
        shared = self.backbone.shared(
            torch.cat(tokens),
            conditions=[(sensor, granularity) for sensor in patches],
            on_layer=partial(note, "shared", []),
        )
        return dict(zip(patches, shared.chunk(len(tokens)), strict=True)), layers

    def _contrasted(
        self, encoded: Mapping[SensorName, Tensor]
    ) -> dict[SensorName, Float[Tensor, "B D"]]:
        """Return the vectors of the global batch that the mutual information contrasts."""
        mean = self.config.mi_features == "mean"
        return {
            sensor: gather_rows(
                at_least_float32(self.projector(x_BTD[:, 1:].mean(1) if mean else x_BTD[:, 0]))
            )
            for sensor, x_BTD in encoded.items()
        }

    def _local_global(
        self, whole: Mapping[SensorName, Tensor], crops: Mapping[SensorName, Tensor]
    ) -> Tensor:
        """Return the contrast between images and their crops, the mean over the sensors.

        The form is NT-Xent over 2B vectors: the negatives of a crop are the other images and their
        crops. The whole image is the masked one that is encoded anyway.
        """
        temperature = self.config.mi_temperature
        losses = [
            mutual_information_loss(whole[sensor], crops[sensor], temperature=temperature)
            for sensor in whole
        ]
        return torch.stack(losses).mean()

    def _reconstruct(
        self,
        patches: Mapping[SensorName, Tensor],
        encoded: Mapping[SensorName, Tensor],
        masks: Masks,
        *,
        reconstruct: bool,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
        """Reconstruct both sensors from both; the loss is on the patches masked in the *source*."""
        visible = {name: masks.of(name).visible_BU for name in SENSORS}
        losses, images = {}, {}
        for target in SENSORS:
            decoder = self.decoders[target]
            assert isinstance(decoder, Decoder)
            for source, decoded_BNK in decode_sources(decoder, encoded, visible).items():
                masked_BM = masks.of(source).masked_BM
                losses[f"{target}_{source}"] = reconstruction_loss(
                    decoder.to_pixels(decoded_BNK, source, masked_BM),
                    take_tokens(patches[target], masked_BM),
                )
                if reconstruct:
                    with torch.no_grad():
                        images[f"{target}_{source}"] = self._image(
                            target, decoder.to_pixels(decoded_BNK, source)
                        )
        return losses, images if reconstruct else None

    def _image(self, sensor: SensorName, patches_BNP: Tensor) -> Float[Tensor, "B C H W"]:
        side = self.config.grid_size
        return unpatchify(patches_BNP, bands=len(MODEL_BANDS[sensor]), grid=(side, side))
