"""Who trains together: the processes that torchrun or SLURM has started, or this one alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import distributed

from minortom.errors import InputError, MinorTomError


class LostProcessError(MinorTomError):
    """A process that the others wait for and that is no more."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """The place of this process among those that train together."""

    environment: ClusterEnvironment | None = None
    """How they were started; None for a single process."""
    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    """Number on this machine."""
    local_size: int = 1
    """Processes of this machine; as many on each."""

    @property
    def device(self) -> torch.device:
        """The GPU of this process where there is CUDA, else the CPU."""
        if torch.cuda.is_available():
            return torch.device("cuda", self.local_rank)
        return torch.device("cpu")

    @property
    def num_nodes(self) -> int:
        """Machines."""
        return self.world_size // self.local_size


@contextmanager
def process_group() -> Iterator[Launch]:
    """Join the other processes, as torchrun or SLURM says; part from them at the end.

    Raises:
        InputError: If there are more processes on this machine than GPUs that they see.
        LostProcessError: If one of the others ends before its time.
    """
    launch = _found()
    if launch.environment is None or distributed.is_initialized():
        yield launch
        return
    backend = "gloo"
    if torch.cuda.is_available():
        if launch.local_rank >= torch.cuda.device_count():
            raise InputError(
                f"process {launch.local_rank} of this machine sees {torch.cuda.device_count()} "
                "GPUs; start one process a GPU, and let each see all (under SLURM --gpus-per-node)"
            )
        torch.cuda.set_device(launch.device)
        # Gloo beside NCCL: whether to stop is agreed on without waiting for the GPU.
        backend = "cpu:gloo,cuda:nccl"
    os.environ["MASTER_ADDR"] = launch.environment.main_address
    os.environ["MASTER_PORT"] = str(launch.environment.main_port)
    distributed.init_process_group(backend, rank=launch.rank, world_size=launch.world_size)
    try:
        yield launch
    except RuntimeError as error:
        if isinstance(error, distributed.DistError) or "gloo" in str(error):
            raise LostProcessError(
                "another of the processes that train together has ended; see what it says, then "
                "go on from the last checkpoint with --resume"
            ) from error
        raise
    finally:
        distributed.destroy_process_group()


def _found() -> Launch:
    """Ask the environment; in Lightning's own order, torchrun under SLURM being torchrun."""
    environment: ClusterEnvironment
    if TorchElasticEnvironment.detect():
        environment = TorchElasticEnvironment()
        local_size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    elif SLURMEnvironment.detect():
        # The script asks SLURM to queue the job again: a signal is obeyed by us alone.
        environment = SLURMEnvironment(auto_requeue=False)
        local_size = environment.world_size() // int(os.environ.get("SLURM_NNODES", "1"))
    else:
        return Launch()
    if environment.world_size() == 1:
        return Launch()
    return Launch(
        environment=environment,
        rank=environment.global_rank(),
        world_size=environment.world_size(),
        local_rank=environment.local_rank(),
        local_size=local_size,
    )
