"""Execution of the tutorials, as Jupyter does it.

``python -m website.tutorials docs/tutorials/region.ipynb`` runs a notebook in an empty folder and
stores its outputs in it, for the readers of the site. A soak test compares them with a new run.
"""

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

TIMEOUT_S = 900
"""Seconds for one cell, on a busy machine too."""


def executed(path: Path, folder: Path) -> Any:  # noqa: ANN401  (nbformat has no types)
    """Return a notebook with the outputs of a new run.

    Args:
        path: Notebook. It is not changed.
        folder: Working folder of the run.
    """
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook, timeout=TIMEOUT_S, record_timing=False, resources={"metadata": {"path": folder}}
    )
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [_kept(output) for output in cell.outputs if _is_for_readers(output)]
    return notebook


def words_of(notebook: Any) -> list[str]:  # noqa: ANN401
    """Return the text outputs of a notebook, each in one line and with 0 for every number."""
    texts = [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    ]
    plain = [re.sub(r"[−-]?\d[\d.,]*", "0", re.sub("[─━]+", "", text)) for text in texts]
    return [" ".join(text.split()) for text in plain]


def _is_for_readers(output: dict[str, Any]) -> bool:
    """Return whether an output is not empty and no message on stderr."""
    text = output.get("text", output.get("data", {}).get("text/plain", ""))
    return output.get("name") != "stderr" and bool(text.strip())


def _kept(output: Any) -> Any:  # noqa: ANN401
    """Remove what readers do not see: numbers of cells, HTML."""
    if output.output_type == "execute_result":
        output.execution_count = None
    for kind in set(output.get("data", {})) - {"text/plain", "image/png"}:
        del output.data[kind]
    return output


def main(paths: list[str]) -> None:
    """Run notebooks and store their outputs in them."""
    for path in map(Path, paths):
        with tempfile.TemporaryDirectory() as folder:
            found = executed(path, Path(folder))
            nbformat.write(found, path)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(sys.argv[1:])
