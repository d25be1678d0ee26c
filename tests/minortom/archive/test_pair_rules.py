"""Rules of pairing: limits and times."""

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from minortom.archive.pair_rules import PairRules, parse_time
from minortom.errors import InputError


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"max_cloud": 101}, "expected --max-cloud of 0 to 100 percent, found 101"),
        ({"max_cloud": float("nan")}, "expected --max-cloud .* found nan"),
        ({"max_nodata": 101}, "expected --max-nodata of 0 to 100 percent, found 101"),
        (
            {"max_nodata": 0.05},
            "in percent, .* found 0.05; for a share of 0.05 give 5",
        ),
        ({"max_dt_days": float("inf")}, "expected --max-dt .* found inf"),
        ({"max_dt_days": -1}, "expected --max-dt of 0 or more days, found -1"),
        (
            {"since": date(2021, 1, 2), "until": date(2021, 1, 1)},
            "expected --since before --until, found 2021-01-02 and",
        ),
        (
            {"since": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))},
            "expected --since in the years 1 to 9999 of UTC, found 0001-01-01T00:00:00\\+05:00",
        ),
        (
            {"until": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))},
            "expected --until in the years 1 to 9999 of UTC, found 9999-12-31T23:00:00-05:00",
        ),
        ({"require_known": True}, "expected a rule with --require-known, found none"),
    ],
)
def test_a_rule_that_makes_no_sense_is_one_line(rules, message):
    with pytest.raises(InputError, match=message):
        PairRules(**rules)


def test_a_day_lasts_from_its_first_to_its_last_moment_in_utc():
    rules = PairRules(since=date(2020, 5, 1), until=date(2020, 5, 1))
    assert rules.between() == (
        datetime(2020, 5, 1, tzinfo=UTC),
        datetime(2020, 5, 1, 23, 59, 59, 999_999, tzinfo=UTC),
    )


def test_the_first_and_the_last_day_of_the_calendar_are_times():
    since, until = PairRules(since=date(1, 1, 1), until=date(9999, 12, 31)).between()
    assert (since.year, until.year) == (1, 9999)


def test_moments_of_other_zones_are_those_of_utc():
    east = timezone(timedelta(hours=2))
    rules = PairRules(since=datetime(2020, 5, 1, 12, tzinfo=east))
    assert rules.as_options()["since"] == "2020-05-01T10:00:00+00:00"
    assert PairRules(since=datetime(2020, 5, 1, 10)).between() == rules.between()  # noqa: DTZ001


def test_equal_rules_give_equal_options_however_they_are_written():
    rules = PairRules(until=date(2020, 5, 1), max_cloud=5, require_known=True)
    end = datetime(2020, 5, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    same = PairRules(until=end, max_cloud=5.0, require_known=True)
    assert json.dumps(rules.as_options()) == json.dumps(same.as_options())
    assert json.dumps(PairRules(until=end).as_options()) != json.dumps(same.as_options())


def test_times_are_read_as_days_or_moments():
    assert parse_time("--since", "2020-12-31") == date(2020, 12, 31)
    assert parse_time("--since", "2020-12-31T10:00Z") == datetime(2020, 12, 31, 10, tzinfo=UTC)
    with pytest.raises(InputError, match="expected --until as a day .*, found '31.12.2020'"):
        parse_time("--until", "31.12.2020")
