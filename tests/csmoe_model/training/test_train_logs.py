"""Logs of a run: experts, speed, TensorBoard, Weights & Biases, reconstructions."""

import resource
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from training_runs import SHORT, rows, run, stop_after
from training_shards import MODEL

from csmoe_model.data.sampler import permutation
from csmoe_model.extractors.checkpoint import load_model
from csmoe_model.nn.cost import pretraining_cost
from csmoe_model.nn.loss_terms import TERMS
from csmoe_model.nn.masking import draw_masks
from csmoe_model.runs.csv_log import COLUMNS, SPEED
from csmoe_model.runs.folder import RunFolder
from csmoe_model.runs.trackers import Tracking
from csmoe_model.training import reconstructions, throughput
from csmoe_model.training.throughput import Meter, Speed
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")
BOARD = Tracking(tensorboard=True)


def validation_pairs(shards, seed=0):
    """The pairs of the split in their order, as tensors."""
    data = ShardSet.open(shards)
    samples = data.indices("val")
    samples = samples[permutation(len(samples), seed, 0)]
    buffers = data.buffers(len(samples))
    for row, sample in enumerate(samples):
        data.read_into(sample, buffers, row)
    masks = draw_masks(
        samples, num_patches=16, mask_ratio=0.5, mode="independent", seed=seed, epoch=0
    )
    return {name: torch.from_numpy(array) for name, array in buffers.items()}, masks


def test_the_experts_log_has_a_row_per_layer_for_each_row_of_the_log(finished):
    found = RunFolder(finished).experts.rows()
    wanted = [
        (row["step"], row["split"], layer)
        for row in rows(finished)
        for layer in ("s2.0", "s1.0", "shared.0")
    ]
    assert [(row["step"], row["split"], row["layer"]) for row in found] == wanted
    for row in found:
        assert float(row["usage_0"]) + float(row["usage_1"]) == pytest.approx(1, abs=1e-5)


def test_the_experts_log_of_a_validation_has_the_routing_of_the_model(shards, finished):
    trained = load_model(finished, device=torch.device("cpu"))
    tensors, masks = validation_pairs(shards)
    images = trained.normalise(tensors)
    with torch.no_grad():
        output = trained.model(images["s2"], images["s1"], masks)
    for row, layer in zip(RunFolder(finished).experts.rows("val")[-3:], output.layers, strict=True):
        assert row["layer"] == layer.name
        wanted = {"dispatch_entropy": layer.dispatch_entropy, "usage_0": layer.usage_E[0]}
        wanted["combine_entropy"] = layer.combine_entropy
        for name, value in wanted.items():
            assert float(row[name]) == pytest.approx(float(value), abs=1e-5)


def test_a_model_without_experts_has_no_log_of_them(shards, tmp_path):
    plain = replace(MODEL, num_experts=0, rep_weight=0.0, bal_weight=0.0)
    run(shards, tmp_path / "run", replace(SHORT, steps=2), model=plain)
    assert not (tmp_path / "run" / "experts.csv").exists()


def test_the_experts_log_of_a_resumed_run_has_each_row_once(shards, finished, tmp_path):
    class PowerCutError(Exception):
        pass

    def power_cut(done, *_):
        if done == 7:
            raise PowerCutError

    out = tmp_path / "run"
    with pytest.raises(PowerCutError):
        run(shards, out, save_every=5, on_step=power_cut)
    run(shards, out, resume=True)
    assert RunFolder(out).experts.rows() == RunFolder(finished).experts.rows()


def scalars(out):
    """Return the content of a run's event files, by name: (step, value) each."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(out / "tensorboard")).Reload()
    return {
        name: [(event.step, event.value) for event in found.Scalars(name)]
        for name in found.Tags()["scalars"]
    }, {name: [e.step for e in found.Images(name)] for name in found.Tags()["images"]}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of tensorboard's own code
def test_tensorboard_shows_every_number_of_the_logs_also_of_a_resumed_run(shards, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(shards, out, tracking=BOARD, on_step=stop_after(5, 2))
    run(shards, out, tracking=BOARD, resume=True)
    found, pictures = scalars(out)
    for split, names in (("train", COLUMNS[3:]), ("val", TERMS)):
        for name in names:
            wanted = [
                (int(row["step"]), pytest.approx(float(row[name]), rel=1e-5))
                for row in RunFolder(out).log.rows(split)
            ]
            assert found[f"{split}/{name}"] == wanted, name
        for row in RunFolder(out).experts.rows(split):
            steps = dict(found[f"experts_{split}/{row['layer']}/usage_1"])
            assert steps[int(row["step"])] == pytest.approx(float(row["usage_1"]), rel=1e-5)
    assert pictures == {"reconstructions": [4, 8]}


class FakeWandb:
    """Takes what Weights & Biases would."""

    class Error(Exception):
        pass

    def __init__(self):
        self.inits, self.logged, self.finished = [], [], 0

    def init(self, **options):
        self.inits.append(options)
        return SimpleNamespace(id=options["id"] or "abc", log=self.log, finish=self.finish)

    def log(self, values, step):
        self.logged.append((step, values))

    def finish(self):
        self.finished += 1

    @staticmethod
    def Image(pixels):  # noqa: N802  # wandb's name
        return pixels


def test_weights_and_biases_gets_every_row_and_a_resumed_run_continues(
    shards, tmp_path, monkeypatch
):
    fake, out = FakeWandb(), tmp_path / "first"
    monkeypatch.setitem(sys.modules, "wandb", fake)
    tracking = Tracking(tensorboard=False, wandb_project="trees")
    with pytest.raises(KeyboardInterrupt):
        run(shards, out, tracking=tracking, on_step=stop_after(5, 2))
    run(shards, out, tracking=tracking, resume=True)
    first, second = fake.inits
    assert (first["project"], first["name"], first["id"]) == ("trees", "first", None)
    assert (second["id"], second["resume"]) == ("abc", "allow")
    assert fake.finished == 2
    losses = [(step, v["train/loss"]) for step, v in fake.logged if "train/loss" in v]
    assert losses == [
        (int(row["step"]), pytest.approx(float(row["loss"]))) for row in rows(out, "train")
    ]
    assert [step for step, values in fake.logged if "reconstructions" in values] == [4, 8]


def test_a_missing_package_is_an_error_that_names_what_to_install(shards, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(
        InputError, match=r"needs the package wandb, which is not .*minortom\[wandb\]"
    ):
        run(shards, tmp_path / "run", tracking=Tracking(wandb_project="trees"))


def test_a_rejected_login_to_weights_and_biases_is_a_one_line_error(shards, tmp_path, monkeypatch):
    class Refusing(FakeWandb):
        def init(self, **_):
            raise self.Error("api_key not configured\n(no-tty)")

    monkeypatch.setitem(sys.modules, "wandb", Refusing())
    with pytest.raises(
        InputError, match=r"not accept the run \(api_key not configured \(no-tty\)\); run wandb"
    ):
        run(shards, tmp_path / "run", tracking=Tracking(wandb_project="trees"))
    assert not (tmp_path / "run").exists()


@pytest.mark.soak
def test_the_package_of_weights_and_biases_accepts_a_run_offline(shards, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    tracking = Tracking(tensorboard=False, wandb_project="trees")
    run(shards, tmp_path / "run", tracking=tracking)
    (folder,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    assert (tmp_path / "run" / "wandb-id.txt").read_text().strip() in folder.name
    assert list(folder.glob("run-*.wandb"))


def test_the_picture_shows_images_visible_patches_and_reconstructions(shards, finished):
    sheet = np.asarray(Image.open(finished / "reconstructions" / "step-00000008.png"))
    side, gap, label = (
        getattr(reconstructions, name) for name in ("_SIDE_PX", "_GAP_PX", "_LABEL_PX")
    )
    assert sheet.shape == (8 * (side + gap), label + 4 * (side + gap), 3)

    def tile(row, column):
        top, left = row * (side + gap), label + column * (side + gap)
        return sheet[top : top + side, left : left + side].astype(int)

    _, masks = validation_pairs(shards)
    patch = side // 4
    for column in range(4):
        for first, sensor, other in ((0, masks.s2, masks.s1), (4, masks.s1, masks.s2)):
            image, visible, own, crossed = (tile(first + n, column) for n in range(4))
            for number in range(16):
                y, x = patch * (number // 4), patch * (number % 4)
                part = np.s_[y : y + patch, x : x + patch]
                seen = number in sensor.visible_BU[column]
                assert (visible[part] == (image[part] if seen else 128)).all()
                assert (own[part] == image[part]).all() == seen
                grey = (crossed[part] == 128).all()
                assert grey == (number in other.visible_BU[column])


def test_each_validation_writes_a_picture(finished):
    names = [path.name for path in sorted((finished / "reconstructions").iterdir())]
    assert names == ["step-00000004.png", "step-00000008.png"]


def test_speed_is_pairs_and_operations_over_time_not_waited(monkeypatch):
    clock, waited = [100.0], [3.0]
    monkeypatch.setattr(throughput.time, "monotonic", lambda: clock[0])
    watch = Meter(
        macs_per_pair=10**12, device=torch.device("cpu"), num_processes=1,
        waited_s=lambda: waited[0],
    )  # fmt: skip
    clock[0], waited[0] = 112.0, 4.0
    watch.leave_out(2)
    speed = watch.lap(pairs=50)
    assert speed.pairs_per_s == pytest.approx(5)
    assert speed.busy == pytest.approx(0.9)
    # A multiply-add is two operations; a step is three forward passes' worth.
    assert speed.tflops == pytest.approx(5 * 6)
    assert 0.01 < speed.memory_gb < 100
    assert speed.peak_tflops is None
    assert speed.note() == f"5 pairs/s, 30 TFLOP/s, 90% busy, {speed.memory_gb:.2g} GB"
    clock[0] = 113.0
    assert watch.lap(pairs=50).pairs_per_s == pytest.approx(50)


def test_macos_counts_the_peak_memory_in_bytes(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    watch = Meter(
        macs_per_pair=1, device=torch.device("cpu"), num_processes=1, waited_s=lambda: 0.0
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert watch.lap(1).memory_gb == pytest.approx(peak / 1e9, rel=0.1)


def test_on_a_known_gpu_the_share_of_its_peak_is_shown(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H200")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 3_000_000_000)
    watch = Meter(
        macs_per_pair=1, device=torch.device("cuda"), num_processes=4, waited_s=lambda: 0.0
    )
    speed = watch.lap(1)
    assert speed.peak_tflops == 4 * 989
    assert speed.memory_gb == 3
    speed = Speed(pairs_per_s=1, busy=1, tflops=989, memory_gb=3, peak_tflops=4 * 989)
    assert speed.brief() == "1 pairs/s, 100% busy, 25% of peak, 3 GB"


def test_the_log_contains_the_speed(finished):
    macs = pretraining_cost(MODEL).macs_full
    for row in RunFolder(finished).log.rows("train"):
        value = {name: float(row[name]) for name in SPEED}
        assert value["tflops"] == pytest.approx(value["pairs_per_s"] * macs * 6 / 1e12, rel=1e-6)
        assert 0 <= value["busy"] <= 1
    assert all(row["busy"] == "" for row in RunFolder(finished).log.rows("val"))
