"""Files of `csmoe plot`: a PNG, and its numbers as JSON beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from minortom.api.arguments import flag
from minortom.api.results import Result
from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import atomic_file, check_parents, write_json
from minortom.io.up_to_date import check_not_input, check_not_part

Points = list[dict[str, Any]]
"""Points of a picture, as the JSON file holds them."""


@dataclass(frozen=True, kw_only=True)
class PlotResult(Result):
    """Result of the commands of `csmoe plot`."""

    status: str
    """`drawn`; of `epochs` `written`, or `up to date`."""
    out: Path
    """The picture."""
    data: Path
    """JSON file with the numbers of the picture."""
    points: int
    """Number of points."""


def numbers_path(out: Path) -> Path:
    """Return the path of the file with the numbers of a picture.

    Raises:
        InputError: If the picture cannot be written there, or its name does not end in `.png`.
    """
    check_parents(out)
    if out.suffix != ".png" or out.is_dir():
        raise InputError(f"--out must be a file whose name ends in .png, found {out}")
    return out.with_suffix(".json")


def check_not_existing(out: Path, results: Sequence[Path], *, overwrite: bool) -> Path:
    """Check that neither a picture nor its numbers exist; return the path of the numbers.

    Args:
        out: The picture.
        results: Folders and files that the picture shows. None of their files is replaced, not
            even with `overwrite`.
        overwrite: Whether an existing picture and existing numbers may be replaced.

    Raises:
        InputError: As `numbers_path`, or if one of the two is a file of the results.
        OutputExistsError: If one of the two exists and `overwrite` is false.
    """
    numbers, overwrite = numbers_path(out), flag("overwrite", overwrite)
    for path in (out, numbers):
        check_not_input(path, results)
        if path.exists():
            check_not_part(path, results)
            if not overwrite:
                raise OutputExistsError(f"{path} exists; give --overwrite or another --out")
    return numbers


def distinct_names(folders: Sequence[Path], *, kind: str) -> list[str]:
    """Return the names of folders, by which a picture tells them apart.

    Args:
        folders: Folders with different names.
        kind: What the folders hold, in the plural, for the error.

    Raises:
        InputError: If two folders have the same name.
    """
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise InputError(
            f"expected {kind} with different folder names, which the picture shows, found the same "
            f"name twice in {', '.join(names)}; rename a folder"
        )
    return names


def save_plot(figure: Figure, points: Points, out: Path, numbers: Path) -> PlotResult:
    """Write a picture and its numbers."""
    write_json(numbers, {"points": points})
    save_png(figure, out)
    return PlotResult(status="drawn", out=out, data=numbers, points=len(points))


def save_png(figure: Figure, out: Path) -> None:
    """Write a picture; the file appears whole or not at all."""
    with atomic_file(out) as temporary:
        save_figure(figure, temporary)


def save_figure(figure: Figure, target: Path | BytesIO) -> None:
    """Draw a figure as a PNG into a file or into memory."""
    # Without the name of the library, so that the same numbers give the same bytes.
    figure.savefig(target, format="png", dpi=110, metadata={"Software": None})
