"""The processes of a training run: started by torchrun or SLURM, or this process only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import distributed

from csmoe_model.distributed.rendezvous import Meeting
from minortom.errors import InputError, MinorTomError

JOIN_TIMEOUT_S = 600
"""Default of the seconds that a process waits for the others."""


class LostProcessError(MinorTomError):
    """Another process of the run ended unexpectedly."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Rank and environment of this process in a training run."""

    environment: ClusterEnvironment | None = None
    """Launcher of the processes; None for a single process."""
    source: str = ""
    """Environment variable that sets the number of processes."""
    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    """Rank of the process on this machine."""
    local_size: int = 1
    """Number of processes on this machine; the same on every machine."""

    @property
    def device(self) -> torch.device:
        """The GPU of this process if CUDA is available, else the CPU."""
        if torch.cuda.is_available():
            return torch.device("cuda", self.local_rank)
        return torch.device("cpu")

    @property
    def num_nodes(self) -> int:
        """Number of machines."""
        return self.world_size // self.local_size


@contextmanager
def process_group(*, join_timeout: int = JOIN_TIMEOUT_S) -> Iterator[Launch]:
    """Initialise the process group that torchrun or SLURM describes; destroy it at the end.

    Args:
        join_timeout: Seconds to wait for the other processes.

    Raises:
        InputError: If this machine has more processes than visible GPUs, or a process does not
            join in time.
        LostProcessError: If another process ends unexpectedly.
    """
    launch = find_launch()
    if launch.environment is None or distributed.is_initialized():
        yield launch
        return
    backend = "gloo"
    if torch.cuda.is_available():
        if launch.local_rank >= torch.cuda.device_count():
            raise InputError(
                f"each process needs a GPU of its own, and process {launch.local_rank} of this "
                f"machine sees {torch.cuda.device_count()} GPUs; start one process per GPU, each "
                "with all GPUs visible (SLURM: --gpus-per-node)"
            )
        torch.cuda.set_device(launch.device)
        # Gloo beside NCCL: the processes agree on stopping without waiting for the GPU.
        backend = "cpu:gloo,cuda:nccl"
    host, port = launch.environment.main_address, launch.environment.main_port
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = host, str(port)
    meeting = Meeting(
        rank=launch.rank, world_size=launch.world_size, host=host, port=port,
        source=launch.source, timeout_s=join_timeout,
    )  # fmt: skip
    distributed.init_process_group(
        backend, store=meeting.join(), rank=launch.rank, world_size=launch.world_size
    )
    try:
        yield launch
    except RuntimeError as error:
        if isinstance(error, distributed.DistError) or "gloo" in str(error):
            raise LostProcessError(
                "another process of the run ended unexpectedly; see its error message, then "
                "continue from the last checkpoint with --resume"
            ) from error
        raise
    finally:
        distributed.destroy_process_group()


def find_launch() -> Launch:
    """Return the launch that the environment describes.

    The order is that of Lightning: torchrun inside a SLURM job counts as torchrun.

    Raises:
        InputError: If SLURM has several tasks and this process is none of them.
    """
    environment: ClusterEnvironment
    if TorchElasticEnvironment.detect():
        environment, source = TorchElasticEnvironment(), "WORLD_SIZE"
        local_size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    elif SLURMEnvironment.detect():
        # The job script requeues the job, so Lightning must not handle the signal.
        environment, source = SLURMEnvironment(auto_requeue=False), "SLURM_NTASKS"
        local_size = environment.world_size() // int(os.environ.get("SLURM_NNODES", "1"))
    else:
        return Launch()
    if environment.world_size() == 1:
        return Launch()
    missing = [name for name in ("SLURM_PROCID", "SLURM_LOCALID") if name not in os.environ]
    if source == "SLURM_NTASKS" and missing:
        raise InputError(
            f"SLURM_NTASKS is {environment.world_size()}, and this process is not a task of SLURM: "
            f"{missing[0]} is not set; start it with srun, or unset SLURM_NTASKS to train in one "
            "process"
        )
    return Launch(
        environment=environment,
        source=source,
        rank=environment.global_rank(),
        world_size=environment.world_size(),
        local_rank=environment.local_rank(),
        local_size=local_size,
    )
