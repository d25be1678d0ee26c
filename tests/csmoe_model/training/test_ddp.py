"""Two processes train like one process, and stop together."""

import json
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from processes import SUPPORT, nothing, slurm, start
from training_runs import SHORT, rows, run, stop_after
from training_shards import CONDITIONED, learnable_shards

from csmoe_model.nn.loss_terms import LOCAL_GLOBAL, TERMS
from csmoe_model.runs.folder import RunFolder
from minortom.errors import InputError

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")
PROGRAM = ("-c", "from minortom_cli.main import main_train; main_train()")
LONG = ("--recipe", "tiny", "--image-size", "16", "--steps", "100000", "--batch-size", "4",
        "--no-tensorboard", "--workers", "1")  # fmt: skip


@pytest.fixture(scope="module")
def folder(shards, tmp_path_factory):
    """Return the folder with the runs of two processes and their outcomes."""
    folder = tmp_path_factory.mktemp("ddp")
    with pytest.raises(KeyboardInterrupt):
        run(shards, folder / "of-one", on_step=stop_after(3, signal.SIGINT))
    processes = start([SUPPORT / "ddp_worker.py", shards, folder])
    output = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], output
    return folder


@pytest.fixture(scope="module")
def ends(folder):
    """Return how each scenario ended, in both processes."""
    names = (
        "whole", "parts", "terminated", "interrupted", "resumed", "of-one", "diverged", "uneven",
        "missing", "other", "compiled", "not-compiled",
        "conditioned", "function", "refused",
    )  # fmt: skip
    outcomes = [json.loads((folder / f"outcome-{rank}.json").read_text()) for rank in (0, 1)]
    return dict(zip(names, zip(*outcomes, strict=True), strict=True))


def assert_alike(found, wanted, names):
    assert [(row["step"], row["split"]) for row in found] == [
        (row["step"], row["split"]) for row in wanted
    ]
    for mine, theirs in zip(found, wanted, strict=True):
        for name in names:
            # Sums in another order: some units in the last place at first, thirty after four steps.
            assert float(mine[name]) == pytest.approx(float(theirs[name]), rel=1e-5, abs=1e-5), (
                name, mine["step"],
            )  # fmt: skip


def test_every_term_is_that_of_one_process_with_the_whole_batch(folder, finished):
    assert_alike(rows(folder / "whole"), rows(finished), TERMS)


def test_conditions_and_crops_train_as_in_one_process(folder, shards, tmp_path):
    run(shards, tmp_path / "run", model=CONDITIONED)
    found, wanted = rows(folder / "conditioned"), rows(tmp_path / "run")
    assert_alike(found, wanted, (*TERMS, LOCAL_GLOBAL))
    assert {float(row[LOCAL_GLOBAL]) for row in wanted} & {0.0} == set()


def test_the_experts_log_is_that_of_one_process(folder, finished):
    found, wanted = (RunFolder(out).experts for out in (folder / "whole", finished))
    assert found.columns[4:] == ("dispatch_entropy", "combine_entropy", "usage_0", "usage_1")
    assert_alike(found.rows(), wanted.rows(), found.columns[4:])


def test_accumulated_parts_are_those_of_one_process(folder, shards, tmp_path):
    run(shards, tmp_path / "run", replace(SHORT, batch_size=8, accumulate=2))
    assert_alike(rows(folder / "parts"), rows(tmp_path / "run"), TERMS)


def test_the_first_process_writes_copies_of_the_weights(folder):
    kept, end = (folder / "parts" / name for name in ("epochs/0004/model", "model"))
    found, wanted = ((path / "model.safetensors").read_bytes() for path in (kept, end))
    assert found == wanted


def test_a_signal_to_one_process_stops_all_with_its_exit_code(ends):
    assert ends["terminated"] == ("exit 143", "exit 143")
    assert ends["interrupted"] == ("exit 130", "exit 130")


def test_the_checkpoint_of_a_stopped_run_is_that_of_its_last_step(folder):
    found = torch.load(RunFolder(folder / "terminated").checkpoint, weights_only=True)
    assert found["global_step"] == 3


def test_a_stopped_run_resumes_exactly(folder, ends):
    assert ends["resumed"] == ("trained", "trained")
    assert rows(folder / "interrupted") == rows(folder / "whole")


def test_a_run_resumes_with_another_number_of_processes(folder, ends, shards, finished):
    assert ends["of-one"] == ("trained", "trained")
    assert_alike(rows(folder / "of-one"), rows(finished), TERMS)
    run(shards, folder / "terminated", resume=True)
    assert_alike(rows(folder / "terminated"), rows(finished), TERMS)


def test_a_loss_that_is_not_finite_in_one_process_stops_all_and_names_term_and_cells(ends):
    first, second = ends["diverged"]
    assert first.startswith("DivergedError: training stopped at step 2: rec_s")
    assert " is nan; cells of the batch: " in first
    assert "grad_norm" not in first
    assert len(first.split("batch: ")[1].split(";")[0].split(", ")) <= 3  # of its three pairs
    assert second.startswith("OtherProcessError: training stopped at step 2")


def test_an_error_is_reported_by_one_process(ends):
    assert ends["uneven"][0].startswith(
        "InputError: batch_size must be a multiple of 2 processes times"
    )
    assert ends["other"][0].startswith("OutputExistsError")
    assert ends["missing"][1].startswith("ShardError")
    for name, silent in (("uneven", 1), ("other", 1), ("missing", 0)):
        assert ends[name][silent].startswith("OtherProcessError")


def test_the_public_function_trains_as_a_complete_configuration_does(folder, ends):
    assert ends["function"] == ("trained", "trained")
    assert rows(folder / "function") == rows(folder / "whole")


def test_a_wrong_argument_is_reported_by_the_first_process(ends):
    first, second = ends["refused"]
    assert first.startswith("InputError: batch_size must be")
    assert second.startswith("OtherProcessError")


def test_a_batch_that_is_not_a_multiple_of_its_parts_is_an_error(shards, tmp_path):
    with pytest.raises(InputError, match="multiple of 1 processes times 4 parts .*found 6"):
        run(shards, tmp_path / "run", replace(SHORT, accumulate=4))


def wait_for_a_row(log):
    deadline = time.monotonic() + 120
    while not (log.path.exists() and log.rows("train")) and time.monotonic() < deadline:
        time.sleep(0.1)


def test_sigterm_to_one_slurm_task_alone_ends_all_with_143(tmp_path):
    out, shards = tmp_path / "run", learnable_shards(tmp_path / "shards", train=10, val=2)
    processes = start([*PROGRAM, shards, "--out", out, *LONG], launcher=slurm)
    log = RunFolder(out).log
    wait_for_a_row(log)
    processes[1].send_signal(signal.SIGTERM)
    output = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [143, 143], output
    assert "stopped after step" in output[0]
    assert output[1] == ""
    stopped = torch.load(RunFolder(out).checkpoint, weights_only=True)["global_step"]
    assert stopped == int(log.rows("train")[-1]["step"])
    assert not RunFolder(out).model.exists()


@pytest.mark.soak  # the processes of a run stop together above; tests/cli holds torchrun's code
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_torchrun_ends_all_with_its_code(tmp_path, number, code):
    out, shards = tmp_path / "run", learnable_shards(tmp_path / "shards", train=10, val=2)
    command = Path(sys.executable).with_name("csmoe-train")
    (process,) = start(
        ["-m", "minortom_cli.torchrun", "--nproc-per-node", "2", "--no-python", command,
         shards, "--out", out, *LONG],
        world_size=1, launcher=nothing,
    )  # fmt: skip
    log = RunFolder(out).log
    wait_for_a_row(log)
    process.send_signal(number)
    _, output = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert output.count("stopped after step") == 1
    assert "Traceback" not in output
    stopped = torch.load(RunFolder(out).checkpoint, weights_only=True)["global_step"]
    assert stopped == int(log.rows("train")[-1]["step"])


def test_the_objective_of_several_processes_compiles_into_whole_graphs(folder, ends):
    assert ends["compiled"] == ("trained", "trained")
    found, wanted = (rows(folder / name, "train") for name in ("compiled", "not-compiled"))
    assert_alike(found, wanted, (*TERMS, "grad_norm"))
