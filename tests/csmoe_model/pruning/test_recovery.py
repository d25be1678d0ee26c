"""`csmoe prune --recover`: distillation of the unpruned model's tokens, resumable."""

import json
import re
import signal

import numpy as np
import pytest
import torch
from file_hashes import hashes
from minortom_cli.console import run
from minortom_cli.model.app import app
from pruning_runs import pruned, record_of
from training_runs import stop_after

from csmoe_model.csmoe import CSMoE
from csmoe_model.pruning.recovery import token_error
from minortom.errors import InputError, OutputExistsError
from minortom.io.provenance import KEY

pytest_plugins = ["training_fixtures"]
pytestmark = pytest.mark.usefixtures("small_steps")


def recovered(work, out, *, steps=12, **options):
    given = {"keep": 2, "batch_size": 6, **options}
    return pruned(work, out, recover=steps, lr=2e-3, **given)


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def unbroken(work):
    seen = []
    result = recovered(work, work / "unbroken", on_step=lambda *step: seen.append(step[:2]))
    return result, work / "unbroken", seen


def test_recovery_brings_the_vectors_back_towards_those_of_the_unpruned_model(unbroken, work):
    result, folder, seen = unbroken
    record = record_of(folder)

    assert seen == [(step, 12) for step in range(1, 13)]
    assert record["drift"]["recovered"]["s2"] < 0.7 * record["drift"]["pruned"]["s2"]
    assert result.drift_recovered == record["drift"]["recovered"]
    assert record[KEY]["options"]["recover"] == {"steps": 12, "batch_size": 6, "lr": 0.002}
    model = CSMoE.from_pretrained(folder)
    assert model.config.kept_experts == {
        row["layer"]: tuple(row["kept"]) for row in record["layers"]
    }
    assert not (work / "unbroken.partial").exists()
    again = recovered(work, folder, steps=np.int64(12), batch_size=np.int64(6))
    assert again.status == "up to date"


@pytest.mark.usefixtures("sigterm_raises")
@pytest.mark.parametrize(
    ("number", "overwrite"),
    [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGINT, True)],
)
def test_a_stopped_recovery_resumes_to_the_same_weights(
    work, unbroken, tmp_path, number, overwrite, caplog
):
    out = tmp_path / "out"
    if overwrite:
        pruned(work, out)  # a model of other options, which stays until the new one is finished
    before = hashes(out)
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        recovered(work, out, overwrite=overwrite, on_step=stop_after(5, number))
    assert "stopped after step 5; the same command continues from there" in caplog.text
    assert hashes(out) == before

    steps, scored = [], []
    recovered(
        work, out, overwrite=overwrite, on_step=lambda *step: steps.append(step[0]),
        on_progress=lambda *done: scored.append(done),
    )  # fmt: skip

    assert steps == list(range(6, 13))
    assert scored == []  # the choice of the experts is kept, too
    assert weights(out) == weights(unbroken[1])
    assert not (tmp_path / "out.partial").exists()


@pytest.mark.usefixtures("sigterm_raises")
def test_unfinished_work_with_other_options_is_kept_unless_overwritten(work, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(SystemExit):
        recovered(work, out, on_step=stop_after(3))

    with pytest.raises(OutputExistsError, match="unfinished work with other inputs or options"):
        recovered(work, out, keep=1)
    recovered(work, out, steps=2, overwrite=True)
    assert json.loads((out / "config.json").read_text())[KEY]["options"]["recover"]["steps"] == 2


@pytest.mark.usefixtures("sigterm_raises")
def test_a_damaged_checkpoint_is_one_line_and_overwrite_starts_again(work, unbroken, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(SystemExit):
        recovered(work, out, on_step=stop_after(3))
    (checkpoint,) = (tmp_path / "out.partial").rglob("last.ckpt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:2000])

    with pytest.raises(InputError, match="--overwrite"):
        recovered(work, out)
    recovered(work, out, overwrite=True)
    assert weights(out) == weights(unbroken[1])


def test_a_wrong_batch_size_is_refused_without_a_recovery_too(work, tmp_path):
    with pytest.raises(InputError, match="batch_size must be a whole number of at least 2, found"):
        pruned(work, tmp_path / "out", batch_size=-3)
    assert list(tmp_path.iterdir()) == []


def test_the_command_recovers_and_shows_its_steps(work, tmp_path, capsys):
    words = (
        "prune", work / "model", "--shards", work / "shards", "--sensor", "s1", "--out",
        tmp_path / "out", "--recover", 3, "--batch-size", 4, "--lr", 0.001, "--save-every", 1,
        "--calibrate", 4, "--json",
    )  # fmt: skip
    assert run(app, list(map(str, words))) == 0

    shown = capsys.readouterr()
    record = record_of(tmp_path / "out")
    assert record[KEY]["options"]["recover"] == {"steps": 3, "batch_size": 4, "lr": 0.001}
    assert json.loads(shown.out)["drift_recovered"] == record["drift"]["recovered"]
    assert re.search(r"step 3 of 3: loss [\d.]+, [\d,]+ images/s", shown.err)


def test_both_sensors_recover_together_and_the_decoders_stay(work, tmp_path, whole):
    result = recovered(work, tmp_path / "out", steps=8, sensor="both")

    assert set(result.drift_recovered) == {"s2", "s1"}
    assert sum(result.drift_recovered.values()) < sum(result.drift.values())
    tensors = CSMoE.from_pretrained(tmp_path / "out").state_dict()
    for name, weight in whole.state_dict().items():
        if name.startswith(("decoders", "projector")):
            assert torch.equal(tensors[name], weight), name


def test_the_error_of_tokens_is_the_unexplained_part_of_their_variance():
    wanted_BTD = torch.randn(7, 5, 8, generator=torch.Generator().manual_seed(0))
    mean = torch.cat(
        [
            wanted_BTD[:, :1].mean(0, keepdim=True).expand(7, 1, 8),
            wanted_BTD[:, 1:].mean((0, 1), keepdim=True).expand(7, 4, 8),
        ],
        dim=1,
    )

    assert token_error(wanted_BTD, wanted_BTD) == 0
    assert token_error(mean, wanted_BTD) == pytest.approx(2)  # 1 of [CLS] and 1 of the patches
    half = mean + (wanted_BTD - mean) / 2
    assert token_error(half, wanted_BTD) == pytest.approx(2 * 0.25)
