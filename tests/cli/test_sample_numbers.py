"""The options of `minortom sample` for numbers of tiles and strata."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from error_lines import json_error
from minortom_cli.console import run
from minortom_cli.curate.sample import sample
from points import annotated_table, random_lonlat
from points_files import write_points

from minortom.errors import InputError
from minortom.io.provenance import Provenance
from minortom.sampling.quotas import stored_requested_sizes
from minortom.sampling.strata import Strata, restratified

SIZES = {"A/x": 60, "A/y": 30, "B/y": 10}
app = typer.Typer()
app.command()(sample)


@pytest.fixture
def annotated(tmp_path):
    names = [name for name, size in SIZES.items() for _ in range(size)]
    table = annotated_table(*random_lonlat(100), names)
    table = table.append_column("ecoregion", pa.array(["north", "south"] * 50))
    table = table.append_column("biome", pa.array([7, 7, 9, 9] * 25, pa.int16()))
    write_points(
        table, tmp_path / "annotated.parquet", Provenance(command="annotate", options={})
    )  # fmt: skip
    return tmp_path / "annotated.parquet"


def sampled(annotated, *more):
    out = annotated.with_name("selection.parquet")
    words = [annotated, "--out", out, "--method", "random", "--json", *more]
    return run(app, [str(word) for word in words])


def held(annotated):
    found = Strata.of_column(pq.read_table(annotated.with_name("selection.parquet"))["stratum"])
    return dict(zip(found.names, found.sizes.tolist(), strict=True))


def record(annotated):
    metadata = pq.read_schema(annotated.with_name("selection.parquet")).metadata
    return json.loads(metadata[b"minortom"])


def quota_of(annotated, text):
    path = annotated.with_name("quota.csv")
    path.write_text(f"stratum,tiles\n{text}")
    return path


def test_a_quota_alone_takes_no_tile_of_other_strata(annotated, capsys):
    quota = quota_of(annotated, "A/x,7\nB/y,12\n")

    assert sampled(annotated, "--quota", quota) == 0
    result = json.loads(capsys.readouterr().out)
    assert held(annotated) == {"A/x": 7, "B/y": 10}
    assert (result["underfull"], result["short"]) == (0, 0)
    assert result["taken_whole"] == 1  # of B/y there are no more


def test_with_a_quota_and_a_number_other_strata_take_the_number(annotated, capsys):
    quota = quota_of(annotated, "A/x,7\n")

    assert sampled(annotated, "--quota", quota, "--per-stratum", 9) == 0
    assert held(annotated) == {"A/x": 7, "A/y": 9, "B/y": 9}
    capsys.readouterr()


def test_the_provenance_has_the_quota(annotated, capsys):
    quota = quota_of(annotated, "A/x,7\nA/y,3\n")
    assert sampled(annotated, "--quota", quota) == 0
    strata = Strata.of_column(pq.read_table(annotated)["stratum"])

    assert stored_requested_sizes(record(annotated)["options"], strata).tolist() == [7, 3, 0]
    assert set(record(annotated)["inputs"]) == {"annotated", "quota"}
    capsys.readouterr()


def test_another_quota_makes_another_file(annotated, capsys):
    assert sampled(annotated, "--quota", quota_of(annotated, "A/x,7\n")) == 0
    assert sampled(annotated, "--quota", quota_of(annotated, "A/x,7\n")) == 0
    capsys.readouterr()

    assert sampled(annotated, "--quota", quota_of(annotated, "A/x,8\n")) == 1
    assert "made with other inputs or options" in capsys.readouterr().err


def test_a_quota_is_never_replaced_by_the_selection(annotated, capsys):
    quota = quota_of(annotated, "A/x,7\n").rename(annotated.with_name("selection.parquet"))

    assert sampled(annotated, "--quota", quota, "--overwrite") == 1
    assert json_error(capsys.readouterr().err)
    assert quota.read_text().startswith("stratum,tiles")


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        ([], {"A/x": 15, "A/y": 15, "B/y": 10}),
        (["--allocation", "equal"], {"A/x": 15, "A/y": 15, "B/y": 10}),
        (["--allocation", "proportional"], {"A/x": 24, "A/y": 12, "B/y": 4}),
        (["--allocation", "sqrt"], {"A/x": 19, "A/y": 13, "B/y": 8}),  # 18.9 13.4 7.7
    ],
)
def test_a_total_is_shared_among_the_strata(annotated, capsys, rule, numbers):
    assert sampled(annotated, "--tiles", 40, *rule) == 0

    assert held(annotated) == numbers
    assert json.loads(capsys.readouterr().out)["tiles"] == 40
    strata = Strata.of_column(pq.read_table(annotated)["stratum"])
    requested = stored_requested_sizes(record(annotated)["options"], strata)
    assert requested.tolist() == list(numbers.values())


def test_strata_of_other_columns(annotated, capsys):
    assert sampled(annotated, "--stratify-by", "climate,ecoregion", "--per-stratum", 5) == 0

    written = pq.read_table(annotated.with_name("selection.parquet"))
    assert held(annotated) == {"A/north": 5, "A/south": 5, "B/north": 5, "B/south": 5}
    joined = [f"{row['climate']}/{row['ecoregion']}" for row in written.to_pylist()]
    assert written["stratum"].to_pylist() == joined
    columns = record(annotated)["options"]["stratify_by"]
    again = restratified(pq.read_table(annotated), columns)["stratum"]
    assert set(again.to_pylist()) == set(joined)
    capsys.readouterr()


def test_strata_of_whole_numbers(annotated, capsys):
    assert sampled(annotated, "--stratify-by", "biome", "--per-stratum", 5) == 0
    assert held(annotated) == {"7": 5, "9": 5}
    capsys.readouterr()


def test_unused_options_are_not_in_the_provenance(annotated, capsys):
    assert sampled(annotated, "--per-stratum", 5) == 0
    assert set(record(annotated)["options"]) == {"method", "per_stratum"}
    capsys.readouterr()


def test_different_values_that_are_joined_to_the_same_name_are_refused():
    table = pa.table({"x": ["a/b", "a", "a"], "y": ["c", "b/c", "d"]})

    with pytest.raises(InputError, match="x='a/b', y='c' and x='a', y='b/c', .* both are a/b/c;"):
        restratified(table, ["x", "y"])
    assert restratified(table.slice(1), ["x", "y"])["stratum"].to_pylist() == ["a/b/c", "a/d"]


def test_a_slash_in_the_values_of_a_column_keeps_strata_apart():
    table = pa.table({"stratum": ["A/x", "A/y", "A/x"], "biome": [7, 9, 7]})

    joined = restratified(table, ["stratum", "biome"])["stratum"]
    assert joined.to_pylist() == ["A/x/7", "A/y/9", "A/x/7"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--tiles", 5, "--per-stratum", 5), "excludes --per-stratum"),
        (("--tiles", 5, "--quota", "QUOTA"), "excludes --quota"),
        (("--allocation", "sqrt"), "give --tiles with it"),
        (("--tiles", 10**9), "--tiles must be from 1"),
        (("--quota", "no.csv"), "found no file no.csv; check the path"),
        (("--stratify-by", "ecozone"), "--stratify-by ecozone: column not found; the columns are"),
        (
            ("--stratify-by", "lat"),
            "choose another column, or make classes of it with `annotate --bins lat=quantiles:5`",
        ),
        (("--stratify-by", "climate,"), "must be names of columns"),
        (("--stratify-by", "climate,climate"), "names climate more than once"),
    ],
)
def test_contradicting_options_are_an_error_of_one_line(annotated, capsys, wrong, said):
    quota = quota_of(annotated, "A/x,7\n")
    assert sampled(annotated, *(quota if word == "QUOTA" else word for word in wrong)) == 1

    assert said in json_error(capsys.readouterr().err)
    assert not annotated.with_name("selection.parquet").exists()


def test_a_quota_for_an_unknown_stratum_is_an_error_of_one_line(annotated, capsys):
    assert sampled(annotated, "--quota", quota_of(annotated, "A/z,7\n")) == 1
    assert "names 1 strata without any tile (A/z)" in capsys.readouterr().err


def test_a_tile_without_a_value_is_an_error_of_one_line(annotated, capsys):
    table = pq.read_table(annotated).drop(["geometry"])
    place = table.column_names.index("ecoregion")
    table = table.set_column(place, "ecoregion", pa.array([None, *["n"] * 99]))
    write_points(table, annotated, Provenance(command="annotate", options={}))

    assert sampled(annotated, "--stratify-by", "climate,ecoregion") == 1
    assert (
        "--stratify-by ecoregion: every tile must have a value, found 1 without"
        in capsys.readouterr().err
    )
