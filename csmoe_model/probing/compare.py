"""``csmoe compare``: probes of several checkpoints as one, and how sure their differences are.

One probe says how sure a score is of its weights on other ground. Whether another pretraining
would do as well only several tell, that differ in their seed.

Axes, as name suffixes:
    m  checkpoints, or seeds of a baseline    R  draws of the bootstrap
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap, interval
from csmoe_model.evaluation.metrics import FloatArray, Predictions, score
from csmoe_model.evaluation.tables import markdown_grid, subject, with_interval
from csmoe_model.probing.feature_sources import MODEL
from csmoe_model.probing.predictions import PREDICTIONS, PredictionTable, RowName, read_predictions
from csmoe_model.probing.probe import RESULT
from minortom.errors import InputError
from minortom.io.atomic_write import whole_folder, write_json, write_text
from minortom.io.provenance import KEY, Provenance, licences_in, sha256_of
from minortom.io.up_to_date import is_up_to_date, now, status, write_run_record


@dataclass(frozen=True, kw_only=True, eq=False)
class _Result:
    """One checkpoint's result."""

    folder: Path
    told: dict[str, Any]
    """Its `result.json`."""
    predictions: PredictionTable

    @property
    def weights(self) -> str:
        return str(self.told["settings"]["weights_sha256"])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pooled:
    """A row of all results."""

    value_m: FloatArray
    draw_mR: FloatArray


def compare(
    results: Sequence[Path], out: Path, *, seed: int = 0, overwrite: bool = False
) -> dict[str, Any]:
    """Pool probes of checkpoints that differ in their pretraining seed; write JSON and Markdown.

    Args:
        results: Folders that `csmoe probe` wrote with the same options on the same set.
        out: Folder to write `result.json` and `table.md` to.
        seed: Draws the bootstrap.
        overwrite: Whether another result in `out` may be replaced.

    Returns:
        What the file holds, and what there is to tell beside it.

    Raises:
        InputError: If a folder holds no result, or they are not of the same probe, or two are of
            the same checkpoint.
        OutputExistsError: If `out` is something else.
    """
    started = now()
    found = [_read(folder) for folder in results]
    _check_alike(found)
    licences = [line for one in found for line in licences_in(one.told[KEY])]
    provenance = Provenance(
        command="compare", options={}, seed=seed, licences=tuple(dict.fromkeys(licences)),
        inputs={
            f"predictions_{n}": sha256_of(folder / PREDICTIONS)
            for n, folder in enumerate(results)
        },
    )  # fmt: skip
    done = is_up_to_date(out, provenance, inputs=results, overwrite=overwrite, record=RESULT)
    if not done:
        result = _result(found, seed)
        with whole_folder(out) as folder:
            write_json(folder / RESULT, {**result, KEY: json.loads(provenance.to_json())})
            write_text(folder / "table.md", _markdown(result))
        write_run_record(out, started)
    stored = json.loads((out / RESULT).read_text(encoding="utf-8"))
    return {"status": status(done), "out": str(out), **stored}


def shown_rows(result: dict[str, Any]) -> list[dict[str, object]]:
    """Lay a result out for a terminal, in %."""
    return [
        {
            "features": row["features"], "probe": row["probe"], "over groups": with_interval(row),
            "over groups and checkpoints": with_interval(row["wider"]), "each": _each(row),
        }
        for row in result["rows"] + result["differences"]
    ]  # fmt: skip


def _read(folder: Path) -> _Result:
    try:
        told = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        _ = told["settings"]["weights_sha256"], told[KEY]["options"], told["headline"]
        _ = subject(told)
    except (OSError, ValueError, LookupError, TypeError):
        raise InputError(f"{folder} holds no result of `csmoe probe`; give folders that it wrote") \
            from None  # fmt: skip
    return _Result(folder=folder, told=told, predictions=read_predictions(folder / PREDICTIONS))


def _check_alike(found: Sequence[_Result]) -> None:
    """Make sure that checkpoints alone differ."""
    first = found[0]
    for number, other in enumerate(found[1:], 1):
        one, two = ({**r.told[KEY]["options"], "seed": r.told[KEY]["seed"],
                     "set": r.told[KEY]["inputs"]["data"]} for r in (first, other))  # fmt: skip
        names = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
        if names:
            raise InputError(
                f"{first.folder} and {other.folder} were not probed alike: other "
                f"{', '.join(names)}; probe the same set with the same options"
            )
        twice = [r.folder for r in found[:number] if r.weights == other.weights]
        if twice:
            raise InputError(
                f"{twice[0]} and {other.folder} are of the same checkpoint, which would make "
                "checkpoints look more alike than they are; give each once"
            )


def _result(found: Sequence[_Result], seed: int) -> dict[str, Any]:
    first = found[0].told
    of_test = found[0].predictions
    bootstrap = Bootstrap.over(len(of_test.truth), of_test.groups, seed=seed, num_draws=NUM_DRAWS)
    pooled = {
        named: _pooled(found, named, bootstrap, str(first["headline"])) for named in of_test.of
    }
    rng = np.random.default_rng([seed, 1])
    rows, differences = [], []
    for (features, probe), row in pooled.items():
        said = {"features": features, "probe": probe}
        wide_R = _spread(row.draw_mR, rng)
        rows.append(said | _record(row.value_m, row.draw_mR.mean(0), wide_R))
        if features == MODEL:
            continue
        model = pooled[MODEL, probe]
        # Draws are paired: model and baseline are scored on the same drawn groups.
        gap_R = model.draw_mR.mean(0) - row.draw_mR.mean(0)
        wide_R = _spread(model.draw_mR, rng) - wide_R
        each_m = model.value_m - row.value_m.mean()
        differences.append(
            {"features": f"model − {features}", "probe": probe} | _record(each_m, gap_R, wide_R)
        )
    return {
        **{name: first[name] for name in ("data", "task", "headline", "splits", "groups")},
        "checkpoints": [
            {"recipe": one.told["settings"]["recipe"], "weights_sha256": one.weights}
            for one in found
        ],
        "of": subject(first),
        "options": first[KEY]["options"],
        "bootstrap": {"draws": NUM_DRAWS, "interval": "percentiles 2.5 and 97.5"},
        "rows": rows,
        "differences": differences,
    }


def _pooled(
    found: Sequence[_Result], named: RowName, bootstrap: Bootstrap, headline: str
) -> _Pooled:  # fmt: skip
    """Score a row of all results: a checkpoint is the mean of its probes' seeds.

    Of a baseline the seeds are what varies: with the same seed it is the same beside every
    checkpoint, up to what the checkpoints' training data tell of normalisation. Draws of few labels
    are the same for all and no seeds: each seed, as each checkpoint, is the mean of its own.
    """
    runs: list[list[Predictions]] = [one.predictions.of[named] for one in found]
    if named[0] != MODEL:
        few = found[0].told["settings"].get("shots")
        draws = few["draws"] if few else 1  # a seed's stand in a row
        runs = [
            [run for one in runs for run in one[first : first + draws]]
            for first in range(0, len(runs[0]), draws)
        ]
    values = [float(np.mean([score(run)[headline] for run in some])) for some in runs]
    draw_mR = [bootstrap.draws(some)[headline] for some in runs]
    return _Pooled(value_m=np.array(values), draw_mR=np.stack(draw_mR))


def _spread(draw_mR: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw the checkpoints, too, each draw of groups as many as there are, with replacement.

    The mean of m drawn from m varies (m − 1) / m times as much as the mean of m new ones would,
    which is set right.
    """
    count, num_draws = draw_mR.shape
    mean_R: FloatArray = draw_mR.mean(0)
    if count == 1:
        return mean_R
    chosen_Rm = rng.integers(count, size=(num_draws, count))
    drawn_R = np.take_along_axis(draw_mR.T, chosen_Rm, axis=1).mean(1)
    wide_R: FloatArray = mean_R + (drawn_R - mean_R) * np.sqrt(count / (count - 1))
    return wide_R


def _record(value_m: FloatArray, draw_R: FloatArray, wide_R: FloatArray) -> dict[str, Any]:
    mean = float(value_m.mean())
    return {
        **asdict(interval(mean, draw_R)), "wider": asdict(interval(mean, wide_R)),
        "each": value_m.tolist(),
    }  # fmt: skip


def _markdown(result: dict[str, Any]) -> str:
    over = f"the test split's {result['groups']:,} groups" if result["groups"] else "test samples"
    header = ["features", "probe", f"{result['headline'].replace('_', ' ')}, over groups",
              "over groups and checkpoints", "each"]  # fmt: skip
    rows = [[str(cell) for cell in row.values()] for row in shown_rows(result)]
    return (
        f"# {result['data']}: {result['of']}, {len(result['checkpoints'])} checkpoints\n\n"
        f"In %, means over checkpoints (of baselines over seeds), in brackets 95 % intervals of "
        f"{result['bootstrap']['draws']:,} bootstrap draws over {over}, and over these and "
        "checkpoints (seeds) together; then each by itself. Differences are paired.\n\n"
        + markdown_grid(header, rows)
    )


def _each(row: dict[str, Any]) -> str:
    return ", ".join(f"{100 * value:.1f}".replace("-", "−") for value in row["each"])
