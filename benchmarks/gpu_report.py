"""Report in Markdown: printed during the run and written to a dated file."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch


class Report:
    """Markdown page."""

    def __init__(self, title: str) -> None:
        """Start with a heading."""
        self.lines: list[str] = []
        self.say(f"# {title}\n")

    def say(self, text: str) -> None:
        """Add a paragraph and print it."""
        print(text, flush=True)
        self.lines.append(text)

    def table(self, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table."""
        lines = [names, ["---"] * len(names), *rows]
        self.say("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n")

    def write(self, folder: Path, device: torch.device) -> Path:
        """Write `gpu-DATE-DEVICE.md` under a free name, without replacing an earlier page."""
        slug = re.sub(r"[^a-z0-9]+", "-", device_name(device).lower()).strip("-")
        name = f"gpu-{datetime.now(UTC):%Y-%m-%d}-{slug}"
        folder.mkdir(parents=True, exist_ok=True)
        path, number = folder / f"{name}.md", 1
        while path.exists():
            number += 1
            path = folder / f"{name}-{number}.md"
        path.write_text("\n".join(self.lines), encoding="utf-8")
        return path


def device_name(device: torch.device) -> str:
    """Return the name of a device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU"


def machine(device: torch.device) -> str:
    """Return a text about the hardware and the library versions."""
    versions = f"torch {torch.__version__}, numpy {np.__version__}, pyarrow {pa.__version__}"
    versions += f", Python {platform.python_version()}"
    if device.type != "cuda":
        threads = f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}"
        return f"{device_name(device)}, {threads}. {versions}."
    try:
        from triton import __version__ as triton
    except ImportError:
        triton = "missing: nothing is compiled"
    memory = torch.cuda.get_device_properties(device).total_memory / 2**30
    cuda = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return (
        f"{device_name(device)}, {memory:.0f} GiB, {os.cpu_count()} CPU cores. {versions}, "
        f"{cuda}, triton {triton}."
    )
