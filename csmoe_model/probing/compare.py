"""`csmoe compare`: pool the probes of several checkpoints, with intervals of the differences.

The interval of one probe covers other test samples, for the same weights. Only checkpoints of
several pretraining seeds show how much another pretraining would change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csmoe_model.datasets.base import Task
from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap
from csmoe_model.evaluation.tables import (
    COST_TITLES,
    cost_cells,
    drawn_units,
    markdown_grid,
    subject,
    with_interval,
)
from csmoe_model.probing.pooling import pooled_rows
from csmoe_model.probing.predictions import PREDICTIONS, PredictionTable, RowName, read_predictions
from csmoe_model.probing.record import RESULT
from minortom.api.arguments import path_of, shown, whole_number
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.atomic_write import write_json, write_text
from minortom.io.markdown import markdown_text
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY, Provenance, licences_in, sha256_of


@dataclass(frozen=True, kw_only=True)
class CompareResult(Result):
    """Result of `csmoe compare`: the content of `result.json`, the status and the folder."""

    status: str
    """`written` or `up to date`."""
    out: Path
    data: str
    """Name of the labelled set."""
    task: Task
    headline: str
    """Name of the score."""
    splits: dict[str, int]
    """Number of samples in each split."""
    groups: int | None
    """Number of groups in the test split; None where the bootstrap draws single samples."""
    checkpoints: list[dict[str, Any]]
    """Recipe and weights of each checkpoint."""
    of: str
    """Label, sensors and protocol of the probes."""
    options: dict[str, Any]
    """Options of the probes."""
    bootstrap: dict[str, Any]
    rows: list[dict[str, Any]]
    """Each combination of features and probe: mean score from 0 to 1, and two 95 % intervals."""
    differences: list[dict[str, Any]]
    """The model minus each baseline."""
    minortom: dict[str, Any]
    """Provenance."""

    def shown(self) -> list[dict[str, object]]:
        """Return a table row for each score and difference, in percent."""
        return _shown_rows(self.as_dict())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Probe:
    """The result of one checkpoint."""

    folder: Path
    result: dict[str, Any]
    """Content of its `result.json`."""
    predictions: PredictionTable

    @property
    def weights(self) -> str:
        return str(self.result["settings"]["weights_sha256"])


def compare(
    results: Sequence[str | Path],
    *,
    out: str | Path,
    seed: int = 0,
    overwrite: bool = False,
) -> CompareResult:
    """Pool the probes of checkpoints that differ in their pretraining seed.

    The folder `out` receives `result.json` and `table.md`.

    Args:
        results: Folders that `csmoe probe` wrote with the same options on the same set, one for
            each checkpoint.
        out: Folder to write.
        seed: Random seed of the bootstrap.
        overwrite: Whether to replace a result that was made with other options.

    Returns:
        Scores and differences with intervals over groups, and over groups and checkpoints.

    Raises:
        InputError: If a folder is not a result of `csmoe probe`, the options or the sets differ,
            or two results are of the same checkpoint.
        OutputExistsError: If `out` is another result.
    """
    if isinstance(results, str | Path) or not isinstance(results, Sequence) or not results:
        raise InputError(
            f"results must be a sequence of folders of `csmoe probe`, found {shown(results)}"
        )
    folders = [path_of("results", folder) for folder in results]
    out, seed = path_of("out", out), whole_number("seed", seed, minimum=0)
    found = [_read(folder) for folder in folders]
    _check_same_probe(found)
    licences = [line for one in found for line in licences_in(one.result[KEY])]
    provenance = Provenance(
        command="compare", options={}, seed=seed, licences=tuple(dict.fromkeys(licences)),
        inputs={
            f"predictions_{n}": sha256_of(folder / PREDICTIONS)
            for n, folder in enumerate(folders)
        },
    )  # fmt: skip
    with artefact(out, provenance, inputs=folders, overwrite=overwrite, record=RESULT) as made:
        if not made.up_to_date:
            record = _record(found, seed)
            write_json(made.path / RESULT, {**record, KEY: provenance.as_dict()})
            write_text(made.path / "table.md", _markdown(record))
    stored = parse_json((out / RESULT).read_text(encoding="utf-8"))
    return CompareResult(status=made.status, out=out, **stored)


def _read(folder: Path) -> _Probe:
    try:
        result = parse_json((folder / RESULT).read_text(encoding="utf-8"))
        _ = result["settings"]["weights_sha256"], result[KEY]["options"], result["headline"]
        _ = subject(result), _costs(result)
    except (OSError, ValueError, LookupError, TypeError):
        raise InputError(
            f"{folder} is not a result of `csmoe probe`; give folders that it wrote"
        ) from None
    return _Probe(
        folder=folder, result=result, predictions=read_predictions(folder / PREDICTIONS)
    )  # fmt: skip


def _check_same_probe(found: Sequence[_Probe]) -> None:
    """Check that the results differ in nothing but the checkpoint."""
    first = found[0]
    for number, other in enumerate(found[1:], 1):
        one, two = ({**r.result[KEY]["options"], "seed": r.result[KEY]["seed"],
                     "set": r.result[KEY]["inputs"]["data"]} for r in (first, other))  # fmt: skip
        names = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
        if names:
            raise InputError(
                "results must have the same options and the same set, found that "
                f"{first.folder} and {other.folder} differ in {', '.join(names)}; run `csmoe "
                "probe` with the same options on the same set"
            )
        twice = [r.folder for r in found[:number] if r.weights == other.weights]
        if twice:
            raise InputError(
                "results must be of different checkpoints, found the same checkpoint in "
                f"{twice[0]} and {other.folder}; give each checkpoint once"
            )


def _record(found: Sequence[_Probe], seed: int) -> dict[str, Any]:
    """Return the content of the result file, except the provenance."""
    first, test = found[0].result, found[0].predictions
    shots = first["settings"].get("shots")
    bootstrap = Bootstrap.over(len(test.truth), test.groups, seed=seed, num_draws=NUM_DRAWS)
    rows, differences = pooled_rows(
        [one.predictions for one in found], bootstrap, headline=str(first["headline"]),
        draws_per_seed=shots["draws"] if shots else 1, seed=seed,
    )  # fmt: skip
    costs = [_costs(one.result) for one in found]
    return {
        **{name: first[name] for name in ("data", "task", "headline", "splits", "groups")},
        "checkpoints": [
            {"recipe": one.result["settings"]["recipe"], "weights_sha256": one.weights}
            for one in found
        ],
        "of": subject(first),
        "options": first[KEY]["options"],
        "bootstrap": {"draws": NUM_DRAWS, "interval": "percentiles 2.5 and 97.5"},
        "rows": [row | _pooled_cost(costs, row) for row in rows],
        "differences": differences,
    }


def _costs(result: dict[str, Any]) -> dict[RowName, dict[str, Any]]:
    """Return the cost of each row of a result, by its features and its probe."""
    return {
        (row["features"], row["probe"]): {name: row.get(name) for name in COST_TITLES}
        for row in result["rows"]
    }


def _pooled_cost(
    costs: Sequence[Mapping[RowName, dict[str, Any]]], row: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the cost of a row of all results; None where it differs or is not recorded."""
    found = [cost[row["features"], row["probe"]] for cost in costs]
    return found[0] if all(cost == found[0] for cost in found) else dict.fromkeys(found[0])


def _shown_rows(result: dict[str, Any]) -> list[dict[str, object]]:
    return [
        {
            "features": row["features"], "probe": row["probe"], "over groups": with_interval(row),
            "over groups and checkpoints": with_interval(row["wider"]), "each": _each(row),
        }
        for row in result["rows"] + result["differences"]
    ]  # fmt: skip


def _markdown(result: dict[str, Any]) -> str:
    over = drawn_units(result["groups"], result["options"].get("interval_km"))
    header = ["features", "probe", f"{result['headline'].replace('_', ' ')}, over groups",
              "over groups and checkpoints", "each", *COST_TITLES.values()]  # fmt: skip
    costs = [[*cost_cells(row).values()] for row in result["rows"]]
    costs += [[""] * len(COST_TITLES)] * len(result["differences"])
    rows = [
        [*map(str, row.values()), *cost]
        for row, cost in zip(_shown_rows(result), costs, strict=True)
    ]
    title = markdown_text(f"{result['data']}: {result['of']}")
    return (
        f"# {title}, {len(result['checkpoints'])} checkpoints\n\n"
        f"In %, means over checkpoints (of baselines over seeds), in brackets 95 % intervals of "
        f"{result['bootstrap']['draws']:,} bootstrap draws over the test split's {over}, "
        "and over these and checkpoints (seeds) together, with Student's distribution for the few "
        "checkpoints; then each by itself. Differences are paired.\n\n"
        + markdown_grid(header, rows)
    )


def _each(row: dict[str, Any]) -> str:
    return ", ".join(f"{100 * value:.1f}".replace("-", "−") for value in row["each"])
