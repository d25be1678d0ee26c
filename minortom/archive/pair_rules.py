"""Rules for pairs of Sentinel-2 and Sentinel-1 products."""

import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from minortom.api.percentages import check_percent
from minortom.errors import InputError

Time = date | datetime
"""A day or a time; a time without a time zone is in UTC."""


@dataclass(frozen=True, kw_only=True)
class PairRules:
    """Rules for rows of the archives; None and False mean no restriction.

    A missing value passes every rule, unless ``require_known`` is set.

    Raises:
        InputError: If a limit is out of range, ``until`` is before ``since``, a time is outside
            of the calendar in UTC, or ``require_known`` is given without another rule.
    """

    since: Time | None = None
    """Earliest time of Sentinel-2."""
    until: Time | None = None
    """Latest time of Sentinel-2; for a day, its end."""
    max_cloud: float | None = None
    """Maximum cloud cover of Sentinel-2, in percent."""
    max_nodata: float | None = None
    """Maximum share of nodata pixels of either sensor, in percent."""
    max_dt_days: float | None = None
    """Maximum number of days between the two products."""
    same_crs: bool = False
    """Whether both products must have the same CRS."""
    require_known: bool = False
    """Whether a row without a value that a rule needs breaks the rule."""

    def __post_init__(self) -> None:
        limits = (
            ("--max-cloud", self.max_cloud, 100.0, "0 to 100 percent"),
            ("--max-dt", self.max_dt_days, sys.float_info.max, "0 or more days"),
        )
        for option, value, largest, expected in limits:
            if value is not None and not 0 <= value <= largest:
                raise InputError(f"expected {option} of {expected}, found {value:g}")
        if self.max_nodata is not None:
            check_percent("--max-nodata", self.max_nodata, takes_100=True)
        since, until = self.between()
        if since and until and since > until:
            raise InputError(
                f"expected --since before --until, found {self.since} and {self.until}; swap them"
            )
        others = (self.since, self.until, self.max_cloud, self.max_nodata, self.max_dt_days)
        if self.require_known and not self.same_crs and others == (None,) * len(others):
            raise InputError(
                "expected a rule with --require-known, found none; give --since, --until, "
                "--max-cloud, --max-nodata, --max-dt or --same-crs"
            )

    def between(self) -> tuple[datetime | None, datetime | None]:
        """Return the earliest and the latest time of Sentinel-2, in UTC."""
        return (
            None if self.since is None else _utc_time("--since", self.since, time.min),
            None if self.until is None else _utc_time("--until", self.until, time.max),
        )

    def as_options(self) -> dict[str, object]:
        """Return all rules for a provenance record; times are text in UTC."""
        since, until = (None if at is None else at.isoformat() for at in self.between())
        limits = {"max_cloud": self.max_cloud, "max_nodata": self.max_nodata,
                  "max_dt_days": self.max_dt_days}  # fmt: skip
        return {
            "since": since, "until": until,
            **{name: None if value is None else float(value) for name, value in limits.items()},
            "same_crs": self.same_crs, "require_known": self.require_known,
        }  # fmt: skip


def parse_time(option: str, text: str) -> Time:
    """Parse a day (2020-12-31) or a time (2020-12-31T10:00, in UTC unless it has a time zone).

    Args:
        option: Name of the option, for the error message.
        text: Day or time in ISO 8601.

    Raises:
        InputError: If the text is neither.
    """
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            return read(text)
        except ValueError:
            continue
    raise InputError(
        f"expected {option} as a day such as 2020-12-31 or a time such as 2020-12-31T10:00 (UTC), "
        f"found {text!r}"
    )


def _utc_time(option: str, when: Time, of_day: time) -> datetime:
    if not isinstance(when, datetime):
        when = datetime.combine(when, of_day)
    try:
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except OverflowError:
        raise InputError(
            f"expected {option} in the years 1 to 9999 of UTC, found {when.isoformat()}; give a "
            "time in UTC"
        ) from None
