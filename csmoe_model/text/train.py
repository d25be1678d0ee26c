"""`csmoe text train`: align sentences with frozen features of patches."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from csmoe_model.choices import SensorChoice
from csmoe_model.text.patches import Patches
from csmoe_model.text.phrases import Phrases
from csmoe_model.text.prepare import Material
from csmoe_model.text.run import TextResult, TextRun, sizes
from csmoe_model.training.supervised import OnStep, ignore_steps
from csmoe_model.training.supervised_config import SupervisedConfig
from minortom.api.arguments import flag, number, path_of, whole_number
from minortom.errors import UsageError
from minortom.io.artefact import artefact
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.up_to_date import check_outside
from minortom.shards.layout import DATASET_FILE


def train(
    embeddings: str | Path,
    *,
    out: str | Path,
    shards: str | Path | None = None,
    annotated: str | Path | None = None,
    sensor: SensorChoice | None = None,
    templates: str | Path | None = None,
    own_captions: str | Path | None = None,
    captions: str | Path | None = None,
    epochs: int = 30,
    batch_size: int = 256,
    lr: float = 5e-3,
    seed: int = 0,
    save_every: int = 500,
    resume: bool = False,
    overwrite: bool = False,
    on_step: OnStep = ignore_steps,
) -> TextResult:
    """Train a text model: patches and sentences get vectors in one space.

    Captions say what the columns of the patches say: land cover, climate, hemisphere, season,
    shares of classes, further columns. Cells of the split `val` are held out, and so are some
    templates; the weights with the best mean average precision on them are kept. Cells of the
    split `test` are not used.

    Args:
        embeddings: GeoParquet file from `csmoe embed`, of shards.
        out: Folder of the run; `out/model` receives the text model.
        shards: Folder of the shards that the embeddings were made from: adds the season, from the
            dates of the images. None: captions without seasons.
        annotated: File from `minortom annotate` with all cells: adds its columns, such as
            fractions and further descriptors. None: only the columns of the embeddings.
        sensor: Sensor of the vectors: `s2`, `s1` or `both`; `both`, or the only one of the file,
            when None.
        templates: YAML file with further templates and phrases; none when None.
        own_captions: CSV file with the columns cell, row, column and text: train on these captions
            instead of written ones.
        captions: CSV file to write the captions to; not written when None.
        epochs: Passes over the training patches.
        batch_size: Patches per optimiser step.
        lr: Maximum learning rate of AdamW.
        seed: Seed of the initial weights, the captions, the order of the patches, and the held-out
            cells where the embeddings have no split `val`.
        save_every: Steps between checkpoints.
        resume: Whether to continue the unfinished run in `out`.
        overwrite: Whether to replace another run in `out`, or other captions.
        on_step: Called after each step with (steps done, maximum number of steps, loss, speed).

    Returns:
        The folder, and how well held-out cells are found by each attribute.

    Raises:
        UsageError: If `own_captions` is given with an option for written captions.
        InputError: If an input cannot be read or does not fit the embeddings.
        OutputExistsError: If `out` or `captions` is another output.
        DivergedError: If the loss or the gradient is not finite.
    """
    config = SupervisedConfig(
        seed=whole_number("seed", seed, minimum=0),
        epochs=whole_number("epochs", epochs, minimum=1), lr=number("lr", lr),
        batch_size=whole_number("batch_size", batch_size, minimum=1),
    )  # fmt: skip
    given = {
        "embeddings": embeddings, "shards": shards, "annotated": annotated, "templates": templates,
        "own_captions": own_captions,
    }  # fmt: skip
    paths = {name: path_of(name, path) for name, path in given.items() if path is not None}
    out = path_of("out", out)
    csv = None if captions is None else path_of("captions", captions)
    if csv is not None:
        check_outside(csv, out, option="--captions")
    material = _material(paths, sensor, seed=config.seed)
    provenance = _provenance(material, config, paths)
    if csv is not None:
        content = material.as_csv()
        with artefact(
            csv, provenance, inputs=paths.values(), overwrite=overwrite, content=content
        ) as made:  # fmt: skip
            if not made.up_to_date:
                made.path.write_bytes(content)
    run = TextRun(
        material=material, config=config, provenance=provenance, inputs=[*paths.values()],
        out=out, save_every=whole_number("save_every", save_every, minimum=1), on_step=on_step,
    )  # fmt: skip
    return run.train(resume=flag("resume", resume), overwrite=flag("overwrite", overwrite))


def _material(paths: Mapping[str, Path], sensor: SensorChoice | None, *, seed: int) -> Material:
    """Read the patches; write or read their captions."""
    patches = Patches.read(paths["embeddings"], sensor)
    if "own_captions" in paths:
        unused = [f"--{name}" for name in ("shards", "annotated", "templates") if name in paths]
        if unused:
            raise UsageError(
                f"expected --own-captions alone, found {' and '.join(unused)}, for written "
                "captions, too; leave one of them out"
            )
        return Material.from_file(patches, paths["own_captions"], seed=seed)
    if "shards" in paths:
        patches = patches.with_times(paths["shards"])
    if "annotated" in paths:
        patches = patches.with_tiles(paths["annotated"])
    return Material.from_columns(patches, Phrases.read(paths.get("templates")), seed=seed)


def _provenance(
    material: Material, config: SupervisedConfig, paths: Mapping[str, Path]
) -> Provenance:
    """Return everything that the weights depend on."""
    hashed = {
        name: path / DATASET_FILE if name == "shards" else path for name, path in paths.items()
    }
    return Provenance(
        command="text train",
        options={
            "recipe": "text", "model": {"sensor": material.patches.sensor, **sizes(material)},
            "train": asdict(config),
        },
        inputs={name: sha256_of(path) for name, path in hashed.items()}, seed=config.seed,
        licences=material.patches.licences,
    )  # fmt: skip
