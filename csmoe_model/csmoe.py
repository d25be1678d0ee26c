"""CSMoE: the pretraining model with encoders, decoders and the objective.

Axes, as name suffixes:
    B  images in a batch    C  bands (C2 of Sentinel-2, C1 of Sentinel-1)
    H W  pixel rows and columns    D  token width
    N  patches    U  visible    M  masked    P  values in a patch    L  layers    E  experts
    T  tokens of an image: [CLS] and the visible patches
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from csmoe_model.checkpoints.pretrained import Pretrained
from csmoe_model.config import ModelConfig
from csmoe_model.data.bands import check_image
from csmoe_model.distributed.collectives import gather_rows, mean_over_processes
from csmoe_model.distributed.device import HALF
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
    RoutingTerms,
    imbalance_loss,
    mutual_information_loss,
    reconstruction_loss,
    routing_terms,
)
from csmoe_model.nn.masking import Masks
from csmoe_model.nn.shapes import Float
from csmoe_model.nn.soft_moe import Routing
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS, SensorName

TERMS = (
    "loss", "umr", "cmr", "mi", "rep", "bal", "rec_s2_s2", "rec_s2_s1", "rec_s1_s1", "rec_s1_s2",
)  # fmt: skip
"""The scalars of a batch, in the order of the columns of the log."""


@dataclass(frozen=True, kw_only=True)
class LayerUsage:
    """Usage of the experts of one layer on a batch, for the log; without gradient."""

    name: str
    """`s2.0` … for the layers of a sensor, `shared.0` … for the shared ones."""
    experts: tuple[int, ...]
    """Numbers of the experts, in the numbering of the unpruned model."""
    usage_E: Tensor
    """Share of each expert in the combine weights, over the global batch; sums to 1."""
    dispatch_entropy: Tensor
    """Normalised entropy: 1 if slots average all tokens, 0 if each reads a single token."""
    combine_entropy: Tensor
    """Normalised entropy: 1 if tokens average all slots, 0 if each takes a single slot."""


@dataclass(frozen=True, kw_only=True)
class PretrainOutput:
    """The loss of a batch (Eq. 20) and its terms as scalars; `rec_TARGET_SOURCE` as in Eq. 17."""

    loss: Tensor
    """umr + cmr + mi + rep_weight * rep + bal_weight * bal."""
    umr: Tensor
    """rec_s2_s2 + rec_s1_s1 (Eq. 4)."""
    cmr: Tensor
    """rec_s2_s1 + rec_s1_s2 (Eq. 9)."""
    mi: Tensor
    rep: Tensor
    """Mean over the layers; 0 without experts, like `bal`."""
    bal: Tensor
    rec_s2_s2: Tensor
    rec_s2_s1: Tensor
    rec_s1_s1: Tensor
    rec_s1_s2: Tensor
    layers: tuple[LayerUsage, ...]
    """Routing of each layer with experts."""
    reconstructions: dict[str, Tensor] | None
    """Images [B, C, H, W] by `TARGET_SOURCE`, without gradient; None if not requested."""

    def terms(self) -> dict[str, Tensor]:
        """Return the scalars by name, in the order of `TERMS`, without gradient."""
        return {name: getattr(self, name).detach() for name in TERMS}


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
        # One projector for both sensors, as in CSMAE, since both are in the common space.
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
            masks: Masked patches of each sensor, from `nn.masking.draw_masks`.
            reconstruct: Whether to return the four reconstructions as images, too.

        Raises:
            InputError: If an image does not have the size or the bands of the model, there is no
                image, or the model has no decoders or weights in half precision.
        """
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
        patches = self._patches(
            {"s2": self._tensor("s2", s2_BCHW), "s1": self._tensor("s1", s1_BCHW)}
        )
        layers: list[tuple[str, RoutingTerms]] = []
        encoded = self._encode_visible(patches, masks, layers)
        mi = self._mutual_information(encoded)
        rec, reconstructions = self._reconstruct(patches, encoded, masks, reconstruct=reconstruct)
        rep, bal, uses = self._regularisers(layers, like=mi)

        umr, cmr = rec["s2_s2"] + rec["s1_s1"], rec["s2_s1"] + rec["s1_s2"]
        weighted = self.config.rep_weight * rep + self.config.bal_weight * bal
        return PretrainOutput(
            loss=umr + cmr + mi + weighted,
            umr=umr, cmr=cmr, mi=mi, rep=rep, bal=bal,
            rec_s2_s2=rec["s2_s2"], rec_s2_s1=rec["s2_s1"],
            rec_s1_s1=rec["s1_s1"], rec_s1_s2=rec["s1_s2"],
            layers=uses,
            reconstructions=reconstructions,
        )  # fmt: skip

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

    def _encode_visible(
        self,
        patches: Mapping[SensorName, Tensor],
        masks: Masks,
        layers: list[tuple[str, RoutingTerms]],
    ) -> dict[SensorName, Float[Tensor, "B T D"]]:
        """Encode the visible patches of both sensors; append the routing terms of each layer."""

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
                visible_BU=masks.of(sensor).visible_BU,
                on_layer=partial(note, sensor, []),
            )
            for sensor, patches_BNP in patches.items()
        ]
        # Both sensors as one batch: images do not affect each other, and the usage of the shared
        # experts is balanced over both sensors, so that an expert may specialise in one.
        shared = self.backbone.shared(torch.cat(tokens), on_layer=partial(note, "shared", []))
        return dict(zip(patches, shared.chunk(len(tokens)), strict=True))

    def _mutual_information(self, encoded: Mapping[SensorName, Tensor]) -> Tensor:
        projected = {name: self.projector(x_BND[:, 0]) for name, x_BND in encoded.items()}
        return mutual_information_loss(
            gather_rows(at_least_float32(projected["s2"])),
            gather_rows(at_least_float32(projected["s1"])),
            temperature=self.config.mi_temperature,
            form=self.config.mi_form,
        )

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

    def _regularisers(
        self, layers: list[tuple[str, RoutingTerms]], *, like: Tensor
    ) -> tuple[Tensor, Tensor, tuple[LayerUsage, ...]]:
        """Return REP and BAL averaged over the layers, with the usage of the global batch."""
        if not layers:
            return torch.zeros_like(like), torch.zeros_like(like), ()
        rep = torch.stack([terms.rep for _, terms in layers]).mean()
        own = [terms.usage_E for _, terms in layers]  # of different lengths in a pruned model
        usages = torch.split(mean_over_processes(torch.cat(own)), [len(u_E) for u_E in own])
        printed = [terms.sharpness for _, terms in layers if terms.sharpness is not None]
        bal = torch.stack(printed or [imbalance_loss(usage_E) for usage_E in usages]).mean()
        uses = tuple(
            LayerUsage(
                name=name,
                experts=self.config.experts_of(name),
                usage_E=usage_E.detach(),
                dispatch_entropy=terms.dispatch_entropy,
                combine_entropy=terms.combine_entropy,
            )
            for (name, terms), usage_E in zip(layers, usages, strict=True)
        )
        return rep, bal, uses
