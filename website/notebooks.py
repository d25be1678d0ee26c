"""Notebooks as pages: text, code and the stored outputs."""

import json
import re
from pathlib import Path
from typing import Any


def page(path: Path) -> str:
    """Return the Markdown page of a notebook, with a link to the notebook itself."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    title, *rest = (part for cell in cells for part in _cell(cell))
    heading, _, text = title.partition("\n")
    link = f"[Download this notebook]({path.name}){{ download }}"
    return "\n\n".join((heading, link, text.strip(), *rest)) + "\n"


def _cell(cell: dict[str, Any]) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [source]
    outputs = [_output(output) for output in cell["outputs"]]
    return [_fenced(source, "python"), *(output for output in outputs if output)]


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        return f"![Output](data:image/png;base64,{''.join(data['image/png']).strip()})"
    text = "".join(output.get("text", data.get("text/plain", "")))
    return _fenced(text.rstrip(), "{.text .output}") if text.strip() else ""


def _fenced(text: str, kind: str) -> str:
    marks = max((len(found) for found in re.findall("`{3,}", text)), default=2)
    fence = "`" * (marks + 1)
    return f"{fence}{kind}\n{text}\n{fence}"
