"""`csmoe specialist train`: a small network for the labels of one sensor."""

from pathlib import Path
from typing import get_args

from csmoe_model.choices import ArchName, ClassWeights
from csmoe_model.datasets.base import LabelledSet, check_for_probe
from csmoe_model.datasets.names import SetName, SplitBy
from csmoe_model.datasets.open_set import BandNames, open_set
from csmoe_model.datasets.trained_classes import with_trained_classes
from csmoe_model.specialists.images import SpecialistImages
from csmoe_model.specialists.run import SpecialistResult, SpecialistRun
from csmoe_model.training.supervised import OnStep, ignore_steps
from csmoe_model.training.supervised_config import SupervisedConfig
from minortom.api.arguments import flag, number, one_of, path_of, whole_number
from minortom.scenes.radiometry import GivenOffset
from minortom.sensors import SensorName


def train(
    *,
    data: SetName | LabelledSet,
    root: str | Path | None,
    out: str | Path,
    sensor: SensorName,
    label: str | None = None,
    split_by: SplitBy | None = None,
    s2_bands: BandNames | None = None,
    s1_bands: BandNames | None = None,
    s2_offset: GivenOffset = "auto",
    arch: ArchName = "convnextv2-atto",
    image_size: int | None = None,
    epochs: int = 30,
    batch_size: int = 32,
    lr: float = 1e-3,
    patience: int = 8,
    class_weights: ClassWeights = "none",
    seed: int = 0,
    save_every: int = 500,
    resume: bool = False,
    overwrite: bool = False,
    on_step: OnStep = ignore_steps,
) -> SpecialistResult:
    """Train a specialist on the labels of a set, for one sensor.

    Args:
        data: `shards`, a `folder` of GeoTIFFs with `labels.csv`, the name of a published set, or
            a `LabelledSet`.
        root: Folder that holds the set; None for a `LabelledSet`.
        out: Folder of the run; `out/model` receives the specialist.
        sensor: `s2` or `s1`.
        label: Shards only: column with the labels; `landcover` when None.
        split_by: Shards only: their own splits (`shards`, also when None) or `blocks` of ground.
        s2_bands: Folder only: names of the Sentinel-2 bands, such as `B02,B03`, in the order of
            the files; the names in the files when None.
        s1_bands: Folder only: names of the Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Folder only: offset to subtract from Sentinel-2 values without offset tags, in
            reflectance × 10,000; `auto` takes it from the name of the product.
        arch: Architecture, from `convnextv2-atto` (3.4 M parameters) to `convnextv2-nano` (15 M).
        image_size: Side to resize images to (pixels), at least 32; the multiple of 32 that is
            nearest to the images when None.
        epochs: Maximum number of passes over the training images.
        batch_size: Images per optimiser step.
        lr: Maximum learning rate of AdamW.
        patience: Number of validations without a better score after which the training stops; 0
            trains for all epochs.
        class_weights: Weights of the classes in the loss: `none`, or `balanced`.
        seed: Seed of the initial weights, the order of the images and their flips and rotations.
        save_every: Steps between checkpoints.
        resume: Whether to continue the unfinished run in `out`.
        overwrite: Whether to replace another run in `out`.
        on_step: Called after each step with (steps done, maximum number of steps, loss, speed).

    Returns:
        The folder, the best step, and the scores of the specialist on the test split.

    Raises:
        InputError: If the set lacks the sensor, has no labels to train and validate on, or an
            argument is not valid.
        OutputExistsError: If `out` is another output.
        DivergedError: If the loss or the gradient is not finite.
    """
    one_of("sensor", sensor, get_args(SensorName))
    one_of("arch", arch, get_args(ArchName))
    one_of("class_weights", class_weights, get_args(ClassWeights))
    config = SupervisedConfig(
        seed=whole_number("seed", seed, minimum=0),
        epochs=whole_number("epochs", epochs, minimum=1), lr=number("lr", lr),
        batch_size=whole_number("batch_size", batch_size, minimum=1),
        patience=whole_number("patience", patience, minimum=0),
    )  # fmt: skip
    labelled = open_set(
        data, root, label=label, split_by=split_by, s2_bands=s2_bands, s1_bands=s1_bands,
        s2_offset=s2_offset, seed=config.seed,
    )  # fmt: skip
    labelled = with_trained_classes(labelled)
    check_for_probe(labelled, needed_by="a specialist")
    size = None if image_size is None else whole_number("image_size", image_size, minimum=1)
    run = SpecialistRun(
        images=SpecialistImages.of(labelled, sensor, image_size=size), arch=arch,
        config=config, class_weights=class_weights, out=path_of("out", out),
        inputs=[] if root is None else [path_of("root", root)],
        save_every=whole_number("save_every", save_every, minimum=1), on_step=on_step,
    )  # fmt: skip
    return run.train(resume=flag("resume", resume), overwrite=flag("overwrite", overwrite))
