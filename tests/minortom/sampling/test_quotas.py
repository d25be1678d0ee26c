from fractions import Fraction
from math import isqrt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minortom.errors import InputError
from minortom.sampling.quotas import Allocation, read_quota, requested_sizes, stored_requested_sizes
from minortom.sampling.strata import Strata


def strata_of(sizes):
    return Strata.of_column(
        pa.chunked_array([[name for name, size in sizes.items() for _ in range(size)]])
    )


def slow_shares(tiles, rule, sizes):
    """The same in fractions: full strata are taken out until the rest divides what is left."""
    scale = 1 << 20
    weigh = {"equal": lambda _: 1, "proportional": int, "sqrt": lambda n: isqrt(n * scale * scale)}
    weights = [Fraction(weigh[rule](size)) for size in sizes]
    left, shares = set(range(len(sizes))), [0] * len(sizes)
    rest = min(tiles, sum(sizes))
    while left:
        total = sum(weights[i] for i in left)
        full = {i for i in left if rest * weights[i] / total >= sizes[i]}
        if not full:
            break
        for i in full:
            shares[i] = sizes[i]
        rest -= sum(sizes[i] for i in full)
        left -= full
    if left:
        exact = {i: rest * weights[i] / total for i in left}
        for i in left:
            shares[i] = int(exact[i])
        most_first = sorted(left, key=lambda i: (shares[i] - exact[i], i))
        for i in most_first[: rest - sum(shares[i] for i in left)]:
            shares[i] += 1
    return shares


@pytest.mark.parametrize(
    ("rule", "tiles", "sizes", "shares"),
    [
        ("equal", 30, [50, 50, 50], [10, 10, 10]),
        ("equal", 32, [50, 50, 50], [11, 11, 10]),  # what is left over: to the first by name
        ("equal", 30, [4, 50, 50], [4, 13, 13]),  # what a small stratum has not: to the others
        ("proportional", 10, [10, 30, 60], [1, 3, 6]),
        ("proportional", 7, [10, 30, 60], [1, 2, 4]),  # 0.7, 2.1, 4.2: the largest remainder
        ("sqrt", 12, [100, 400, 900], [2, 4, 6]),
        ("sqrt", 1, [100, 400, 900], [0, 0, 1]),
        ("equal", 1000, [3, 4, 5], [3, 4, 5]),  # more than there are
    ],
)
def test_shares_that_a_reader_can_check(rule, tiles, sizes, shares):
    assert Allocation(tiles=tiles, rule=rule).shares(np.array(sizes)).tolist() == shares


@settings(deadline=None)
@given(
    st.integers(1, 3000),
    st.sampled_from(["equal", "proportional", "sqrt"]),
    st.lists(st.integers(1, 500), min_size=1, max_size=9),
)
def test_shares_equal_those_in_fractions_and_add_up(tiles, rule, sizes):
    shares = Allocation(tiles=tiles, rule=rule).shares(np.array(sizes)).tolist()

    assert shares == slow_shares(tiles, rule, sizes)
    assert sum(shares) == min(tiles, sum(sizes))
    assert all(share <= size for share, size in zip(shares, sizes, strict=True))


def test_shares_of_a_whole_archive_do_not_overflow():
    sizes = np.array([145_000, 5_000_000, 1])
    shares = Allocation(tiles=5_000_000, rule="proportional").shares(sizes)

    assert shares.sum() == 5_000_000
    assert shares[1] == pytest.approx(5e6 * 5_000_000 / 5_145_001, abs=1)


def test_a_quota_overrides_the_number_for_all_strata():
    strata = strata_of({"Af/x": 5, "Cfa/y": 9, "ET/z": 2})

    wanted = requested_sizes(strata, per_stratum=4, quota={"Cfa/y": 7, "ET/z": 0})

    assert wanted.tolist() == [4, 7, 0]


def test_an_unknown_stratum_is_an_error_that_names_it():
    with pytest.raises(InputError, match=r"names 1 strata without any tile \(Af/q\)"):
        requested_sizes(strata_of({"Af/x": 5}), per_stratum=4, quota={"Af/q": 7})


def test_a_quota_without_any_tile_is_an_error():
    with pytest.raises(InputError, match="requests no tile"):
        requested_sizes(strata_of({"Af/x": 5}), per_stratum=0, quota={"Af/x": 0})


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"per_stratum": 3, "method": "random"}, [3, 3]),
        ({"per_stratum": 0, "quota": {"B/y": 4}}, [0, 4]),
        ({"tiles": 4, "allocation": "proportional"}, [1, 3]),
    ],
)
def test_the_requested_sizes_follow_from_the_provenance(options, wanted):
    assert stored_requested_sizes(options, strata_of({"A/x": 5, "B/y": 15})).tolist() == wanted


def test_options_without_numbers_give_no_requested_sizes():
    assert stored_requested_sizes({"method": "random"}, strata_of({"A/x": 5})) is None


@pytest.mark.parametrize("wrong", [{"tiles": 0}, {"tiles": 5, "rule": "best"}])
def test_an_impossible_total_or_rule_is_refused(wrong):
    with pytest.raises(InputError, match="--"):
        Allocation(**wrong)


@pytest.mark.parametrize("head", ["stratum,tiles", "stratum, tiles", " tiles , stratum"])
def test_spaces_after_commas_are_ignored(tmp_path, head):
    rows = ["Af/tree_cover, 3", "NA/10 , 12 "]
    if head.startswith(" tiles"):
        rows = [", ".join(reversed(row.split(","))) for row in rows]
    (tmp_path / "q.csv").write_text("\n".join([head, *rows]) + "\n")
    assert read_quota(tmp_path / "q.csv") == {"Af/tree_cover": 3, "NA/10": 12}


def test_csv_and_parquet_give_the_same_quota(tmp_path):
    (tmp_path / "q.csv").write_text("tiles,why,stratum\n7,,NA/10\n0,x,Af/tree_cover\n")
    table = pa.table({"stratum": ["NA/10", "Af/tree_cover"], "tiles": pa.array([7, 0], pa.int8())})
    pq.write_table(table, tmp_path / "q.parquet")

    for name in ("q.csv", "q.parquet"):
        assert read_quota(tmp_path / name) == {"Af/tree_cover": 0, "NA/10": 7}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stratum,number\nA,1\n", "must have exactly one column tiles"),
        ("stratum,tiles,tiles\nA,1,1\n", "must have exactly one column tiles"),
        ("stratum,tiles\nA,1.5\n", "tiles must be whole numbers"),
        ("stratum,tiles\nA,many\n", "tiles must be whole numbers"),
        ("stratum,tiles\nA,-1\n", "found -1 for A"),
        ("stratum,tiles\nA,1\nA,2\n", "names the stratum A twice"),
        ("stratum,tiles\nA,1\n,2\n", "row 2: stratum or tiles is empty"),
        ("stratum,tiles\n", "has no rows"),
        ("", "cannot read"),
    ],
)
def test_a_file_that_is_not_a_quota_is_an_error_of_one_line(tmp_path, text, said):
    path = tmp_path / "q.csv"
    path.write_text(text)

    with pytest.raises(InputError, match=said):
        read_quota(path)
    with pytest.raises(InputError, match="found no file"):
        read_quota(tmp_path / "no.csv")
