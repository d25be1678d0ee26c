"""The rank of this process, from the variables of torchrun or SLURM."""

import pytest
from processes import slurm, torchrun

from csmoe_model.distributed.launch import Launch, LostProcessError, process_group
from minortom.errors import InputError


@pytest.fixture
def environment(monkeypatch):
    """Set the environment variables of a launcher."""

    def set_variables(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


@pytest.fixture(autouse=True)
def group_calls(monkeypatch):
    """Record the calls to torch, and wait for no other process."""
    calls = []
    module = "csmoe_model.distributed.launch.distributed"
    monkeypatch.setattr("csmoe_model.distributed.launch.Meeting.join", lambda *_: "the store")
    monkeypatch.setattr(f"{module}.init_process_group", lambda *a, **k: calls.append((a, k)))
    monkeypatch.setattr(f"{module}.destroy_process_group", lambda: calls.append("destroyed"))
    monkeypatch.setenv("MASTER_ADDR", "here")
    monkeypatch.setenv("MASTER_PORT", "1234")
    return calls


def found():
    with process_group() as launch:
        place = (launch.rank, launch.world_size, launch.local_rank, launch.local_size)
        return *place, launch.num_nodes


def test_a_program_started_by_hand_is_a_single_process(group_calls):
    with process_group() as launch:
        assert launch == Launch()
    assert group_calls == []


def test_torchrun_sets_the_rank(environment, group_calls):
    environment({**torchrun(3, 8), "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "1"})
    assert found() == (3, 8, 1, 2, 4)
    joined = {"store": "the store", "rank": 3, "world_size": 8}
    assert group_calls == [(("gloo",), joined), "destroyed"]


def test_slurm_sets_the_rank(environment):
    environment({**slurm(5, 8), "SLURM_LOCALID": "1", "SLURM_NNODES": "2", "SLURM_NODEID": "1"})
    environment({"SLURM_NTASKS_PER_NODE": "4"})
    assert found() == (5, 8, 1, 4, 2)


@pytest.mark.parametrize("name", ["SLURM_PROCID", "SLURM_LOCALID"])
def test_a_shell_of_slurm_without_srun_is_refused_in_one_line(environment, monkeypatch, name):
    environment(slurm(0, 4))
    monkeypatch.delenv(name)
    with pytest.raises(InputError, match=rf"SLURM_NTASKS is 4, and .* {name} is not set; start"):
        found()


def test_an_interactive_slurm_session_is_one_process(environment):
    environment({**slurm(0, 4), "SLURM_JOB_NAME": "interactive"})
    assert found() == (0, 1, 0, 1, 1)


def test_one_process_of_torchrun_needs_no_group(environment, group_calls):
    environment(torchrun(0, 1))
    assert found() == (0, 1, 0, 1, 1)
    assert group_calls == []


def test_a_lost_process_is_reported_in_one_line_and_other_errors_stay(environment):
    environment(torchrun(0, 2))
    with (
        pytest.raises(LostProcessError, match="another process of the run ended .* --resume"),
        process_group(),
    ):
        raise RuntimeError("[/gloo/transport/tcp/pair.cc:537] Connection reset by peer")
    with pytest.raises(RuntimeError, match="shapes"), process_group():
        raise RuntimeError("shapes do not fit")
