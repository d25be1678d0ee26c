"""Rules that pairs of Sentinel-2 and Sentinel-1 tiles have to keep."""

import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from minortom.errors import InputError

Time = date | datetime
"""A day, or a moment; a moment without a time zone is in UTC."""


@dataclass(frozen=True, kw_only=True)
class PairRules:
    """Which rows of the archives may be chosen; None and False mean "any".

    A value that is not known breaks no rule, unless ``require_known`` is set.

    Raises:
        InputError: If a limit is out of its range, ``until`` lies before ``since``, or
            ``require_known`` has no rule to act on.
    """

    since: Time | None = None
    """Sentinel-2's time is this or later."""
    until: Time | None = None
    """Sentinel-2's time is this or earlier; of a day, its end."""
    max_cloud: float | None = None
    """Sentinel-2's cloud cover, percent, is this or less."""
    max_nodata: float | None = None
    """The share of pixels without data, 0 to 1, is this or less, for both sensors."""
    max_dt_days: float | None = None
    """Both tiles were taken within so many days."""
    same_crs: bool = False
    """Both tiles have the same CRS."""
    require_known: bool = False
    """A row breaks a rule, too, if the value that the rule looks at is not known."""

    def __post_init__(self) -> None:
        limits = (
            ("--max-cloud", self.max_cloud, 100.0, "percent, 0 to 100"),
            ("--max-nodata", self.max_nodata, 1.0, "a share, 0 to 1"),
            ("--max-dt", self.max_dt_days, sys.float_info.max, "days, 0 or more"),
        )
        for option, value, largest, wanted in limits:
            if value is not None and not 0 <= value <= largest:
                raise InputError(f"{option} {value:g} is out of range; wanted {wanted}")
        since, until = self.between()
        if since and until and since > until:
            raise InputError(f"--since {self.since} is later than --until {self.until}; swap them")
        others = (self.since, self.until, self.max_cloud, self.max_nodata, self.max_dt_days)
        if self.require_known and not self.same_crs and others == (None,) * len(others):
            raise InputError(
                "--require-known needs a rule that looks at a value: --since, --until, "
                "--max-cloud, --max-nodata, --max-dt or --same-crs"
            )

    def between(self) -> tuple[datetime | None, datetime | None]:
        """Give the first and the last moment that Sentinel-2's time may be, in UTC."""
        return (
            None if self.since is None else _moment(self.since, time.min),
            None if self.until is None else _moment(self.until, time.max),
        )

    def as_options(self) -> dict[str, object]:
        """Give all rules for a provenance record; times as text, in UTC."""
        since, until = (None if at is None else at.isoformat() for at in self.between())
        limits = {"max_cloud": self.max_cloud, "max_nodata": self.max_nodata,
                  "max_dt_days": self.max_dt_days}  # fmt: skip
        return {
            "since": since, "until": until,
            **{name: None if value is None else float(value) for name, value in limits.items()},
            "same_crs": self.same_crs, "require_known": self.require_known,
        }  # fmt: skip


def parse_time(option: str, text: str) -> Time:
    """Read a day (2020-12-31) or a moment (2020-12-31T10:00, in UTC if it does not say).

    Args:
        option: Which option's value it is, for the message.
        text: As the user typed it, in ISO 8601.

    Raises:
        InputError: If it is neither.
    """
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            return read(text)
        except ValueError:
            continue
    raise InputError(
        f"{option} {text} is no time; wanted a day such as 2020-12-31, or 2020-12-31T10:00 (UTC)"
    )


def _moment(when: Time, of_day: time) -> datetime:
    if not isinstance(when, datetime):
        when = datetime.combine(when, of_day)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
