"""Number of CPU cores that this process may use.

A container sees all cores of its host, but the quota of its control group (cgroup) gives it the
time of a few. More workers than that would wait for each other.
"""

import math
import os
from pathlib import Path

_ROOT = Path("/")
_V2_QUOTA = "cpu.max"
_V1_QUOTA, _V1_PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"


def available_cores(root: Path = _ROOT) -> int:
    """Return the number of cores by the process's affinity and the quota of its container.

    A quota of a part of a core counts as a whole core.

    Args:
        root: Root of the file system with ``proc`` and ``sys``.
    """
    cores, quota = _scheduled_cores(), _quota(root)
    return cores if quota is None else min(cores, math.ceil(quota))


def _scheduled_cores() -> int:
    """Return the number of cores that the scheduler may give to this process."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13; it also reads PYTHON_CPU_COUNT
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota(root: Path) -> float | None:
    """Return the smallest quota (cores) of the control groups of this process; None if none."""
    quotas = [_limit(folder) for folder in _groups(root)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _groups(root: Path) -> list[Path]:
    """Return the folders of the control groups that limit this process, and of their parents.

    The kernel lists groups as ``0::/path`` (version 2) or ``4:cpu,cpuacct:/path`` (version 1).
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    folders = []
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [controllers, "cpu"] if controllers else ["", "unified"]
        for mount in (root / "sys/fs/cgroup" / name for name in mounts):
            # A container may see its own group as the root, under the path of the host.
            group = mount / path.strip("/")
            folders += [group, *(parent for parent in group.parents if mount in parent.parents)]
            folders.append(mount)
    return folders


def _limit(folder: Path) -> float | None:
    """Return the quota of one control group in cores; None if it has none."""
    try:
        if (folder / _V2_QUOTA).exists():
            quota, period = (folder / _V2_QUOTA).read_text(encoding="utf-8").split()
        else:
            quota, period = (
                (folder / name).read_text(encoding="utf-8") for name in (_V1_QUOTA, _V1_PERIOD)
            )
        cores = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or the word max
        return None
    return cores if cores > 0 else None  # version 1 writes -1 for no limit
