"""Recovery of a pruned model: a few steps towards the tokens of the unpruned one, without labels.

Axes, as name suffixes:
    B  images in a batch    T  tokens of an image: [CLS] and its patches    D  token width
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor, nn

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.normalise import draw_flips
from csmoe_model.data.sampler import Samples
from csmoe_model.nn.backbone import Backbone
from csmoe_model.nn.layers import at_least_float32
from csmoe_model.pruning.calibration import Patches, class_vectors, drift, training_patches
from csmoe_model.pruning.options import RecoverOptions
from csmoe_model.runs.folder import RunFolder
from csmoe_model.training.signals import StopRequest
from csmoe_model.training.supervised import COLUMNS, SCORE, OnStep, train_supervised
from csmoe_model.training.supervised_config import SupervisedConfig
from csmoe_model.training.supervised_module import Supervised, WeightGroup
from minortom.sensors import SensorName

Images = Mapping[SensorName, Tensor]


def recover(task: Supervised[Images], *, work: Path, save_every: int, on_step: OnStep) -> None:
    """Train a pruned model on the tokens of the unpruned one, or resume.

    Args:
        task: The training of the pruned model, from `distillation`.
        work: Folder of the checkpoint and the log.
        save_every: Steps between checkpoints.
        on_step: Called after each step.

    Raises:
        InputError: If the checkpoint is damaged or of another model.
        DivergedError: If the loss or the gradient is not finite.
        FullMemoryError: If a batch does not fit into the memory of the GPU.
        KeyboardInterrupt: After SIGINT, once the checkpoint is saved; SystemExit after SIGTERM.
    """
    folder = recovery_folder(work)
    folder.checkpoint.parent.mkdir(exist_ok=True)
    if not folder.log.path.is_file():
        folder.log.start()
    with StopRequest() as stop:
        train_supervised(
            task, folder=folder, stop=stop, save_every=save_every, on_step=on_step,
            how_to_resume="the same command continues from there",
        )  # fmt: skip
    stop.deliver()


def recovery_folder(work: Path) -> RunFolder:
    """Return the folder of the checkpoint and the log of a recovery."""
    return RunFolder(work, columns=COLUMNS, logs_experts=False)


def distillation(
    student: CSMoE,
    teacher: CSMoE,
    patches: Patches,
    sensors: Sequence[SensorName],
    options: RecoverOptions,
    *,
    seed: int,
) -> Supervised[Images]:
    """Return the training of a student on the tokens of its teacher, as one long epoch.

    Args:
        student: The pruned model, trained in place.
        teacher: The unpruned model, on the device of the training.
        patches: Patches that measure the drift; batches are drawn from their shards.
        sensors: Sensors whose tokens are compared.
        options: Length and rate of the training.
        seed: Seed of the batches and the flips.
    """
    device = next(teacher.parameters()).device
    pool = training_patches(patches.data)
    reference = class_vectors(teacher, patches, sensors)

    def read(epoch: int, samples: Samples) -> Images:
        # The epoch counts every use of a patch as an image of its own, with its own flips.
        flips_B2 = draw_flips(samples, seed=seed, epoch=epoch)
        buffers = patches.data.buffers(len(samples))
        patches.data.read_rows(pool[samples % len(pool)].tolist(), buffers)
        tensors = {column: torch.from_numpy(a).to(device) for column, a in buffers.items()}
        images: Images = patches.normalise.to(device)(tensors, flips_B2.to(device))
        return images

    def loss(network: nn.Module, images: Images) -> Tensor:
        assert isinstance(network, Backbone)
        parts = []
        for sensor in sensors:
            with torch.no_grad():
                wanted_BTD = teacher.backbone.tokens(sensor, images[sensor])
            parts.append(token_error(network.tokens(sensor, images[sensor]), wanted_BTD))
        return torch.stack(parts).mean()

    def validate(network: nn.Module) -> dict[str, float]:
        del network  # the backbone of the student
        found = class_vectors(student, patches, sensors)
        value = mean(drift(found[sensor], wanted) for sensor, wanted in reference.items())
        return {"loss": value, SCORE: -value}

    return Supervised(
        network=student.backbone, groups=[WeightGroup(weights=list(student.backbone.parameters()))],
        num_images=options.steps * options.batch_size, read=read, loss=loss, validate=validate,
        config=SupervisedConfig(
            seed=seed, epochs=1, batch_size=options.batch_size, lr=options.lr, patience=0,
            weight_decay=0.0,  # the target is fixed; smaller weights would only lead away from it
        ),
    )  # fmt: skip


def token_error(found_BTD: Tensor, wanted_BTD: Tensor) -> Tensor:
    """Return the unexplained part of the variance of tokens: of [CLS] plus of the patches.

    0 for equal tokens; 1 for each of the two where all images have the mean token. [CLS] varies
    little from image to image, so a plain squared error would hardly see it.
    """
    found_BTD, wanted_BTD = at_least_float32(found_BTD), at_least_float32(wanted_BTD)
    parts = []
    for tokens in (slice(0, 1), slice(1, None)):
        wanted = wanted_BTD[:, tokens]
        variance = (wanted - wanted.mean((0, 1))).square().mean()
        parts.append((found_BTD[:, tokens] - wanted).square().mean() / variance.clamp_min(1e-12))
    return parts[0] + parts[1]
