"""Start processes of a distributed run, as torchrun or a scheduler does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

SUPPORT = Path(__file__).parent


def torchrun(rank, world_size):
    """Return the environment variables that torchrun sets."""
    return {
        "TORCHELASTIC_RUN_ID": "tests", "GROUP_RANK": "0", "RANK": str(rank),
        "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size),
        "LOCAL_WORLD_SIZE": str(world_size),
    }  # fmt: skip


def slurm(rank, world_size):
    """Return the environment variables that SLURM sets for a job on one machine."""
    return {
        "SLURM_JOB_NAME": "tests", "SLURM_JOB_ID": "1234", "SLURM_NNODES": "1",
        "SLURM_NODEID": "0", "SLURM_NTASKS": str(world_size),
        "SLURM_NTASKS_PER_NODE": str(world_size), "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
    }  # fmt: skip


def nothing(rank, world_size):
    """Return the environment variables of a plain shell."""
    del rank, world_size
    return {}


def start(words, *, world_size=2, launcher=torchrun):
    """Start a Python program several times; return the processes by rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])])
    shared = {
        **os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    return [
        subprocess.Popen(
            [sys.executable, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**shared, **launcher(rank, world_size)},
        )
        for rank in range(world_size)
    ]  # fmt: skip
