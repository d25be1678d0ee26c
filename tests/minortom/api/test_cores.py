import os
import sys

import pytest

from minortom.api import cores
from minortom.api.cores import available_cores


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Return a function that writes the files of a host of 64 cores, by path below the root."""
    monkeypatch.setattr(cores, "_scheduled_cores", lambda: 64)

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


V2, V1 = "sys/fs/cgroup/", "sys/fs/cgroup/cpu,cpuacct/"


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({}, 64),
        ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "400000 100000\n"}, 4),
        ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "5000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "max 100000\n"}, 64),
        ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "9900000 100000\n"}, 64),
        ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "nonsense\n"}, 64),
        ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "100000 0\n"}, 64),
        ({"proc/self/cgroup": "nonsense\n", V2 + "cpu.max": "100000 100000\n"}, 64),
        # The quota of a parent limits its children: systemd, Slurm and Kubernetes set it there.
        (
            {
                "proc/self/cgroup": "0::/slurm/job_7/step_0\n",
                V2 + "slurm/job_7/step_0/cpu.max": "max 100000\n",
                V2 + "slurm/job_7/cpu.max": "300000 100000\n",
                V2 + "slurm/cpu.max": "1600000 100000\n",
            },
            3,
        ),
        # Version 1, seen from the host and from a container that sees its group as the root.
        (
            {
                "proc/self/cgroup": "9:pids:/a\n4:cpu,cpuacct:/docker/7f\n1:name=systemd:/\n",
                V1 + "docker/7f/cpu.cfs_quota_us": "250000\n",
                V1 + "docker/7f/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/docker/7f\n",
                V1 + "cpu.cfs_quota_us": "200000\n",
                V1 + "cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/\n",
                V1 + "cpu.cfs_quota_us": "-1\n",
                V1 + "cpu.cfs_period_us": "100000\n",
            },
            64,
        ),
        # Hybrid hosts mount version 2 beside version 1.
        (
            {
                "proc/self/cgroup": "4:cpuacct,cpu:/\n0::/x\n",
                "sys/fs/cgroup/unified/x/cpu.max": "500000 100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "700000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            5,
        ),
    ],
)
def test_the_quota_of_a_container_limits_the_cores(host, files, wanted):
    assert available_cores(host(files)) == wanted


def test_without_a_quota_the_affinity_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5})
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    assert available_cores(tmp_path) == 3
    monkeypatch.setattr(os, "process_cpu_count", lambda: 2, raising=False)
    assert available_cores(tmp_path) == 2


def test_this_machine_has_a_core():
    assert 1 <= available_cores() <= (os.cpu_count() or sys.maxsize)
