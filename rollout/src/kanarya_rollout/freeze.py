"""Freeze windows against the clock: whether one holds, until when, and how much of a time was outside of all. Used by `decide`.

Pure, with time passed in; the rules of time zones are the standard library's. A window is a span between two instants, one for
each date on which it begins. A time on the wall that happens twice, or never, has two readings: a span takes the earlier one
for its start and the later one for its end, so it is never shorter than what the clock on the wall says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from kanarya_contracts.rollout import DAYS, FreezeWindow

_FARTHEST = 400
"""Days that are looked through: ahead for the end of a freeze, back for what was outside."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """A freeze that holds."""

    window: FreezeWindow
    """One that holds now."""
    until: datetime
    """When none holds any more, in UTC; at least so long if windows follow one another for more than a year."""

    def __str__(self) -> str:
        """`until 2026-11-30 00:00 (Europe/Istanbul): weekend`."""
        zone = self.window.time_zone
        why = f": {self.window.reason}" if self.window.reason else ""
        return f"until {self.until.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone}){why}"


def frozen(windows: Sequence[FreezeWindow], now: datetime) -> Frozen | None:
    """The freeze that holds at `now`; None if there is none. Windows that meet are one freeze."""
    holding = [(one, end) for one in windows for start, end in _near(one, now) if start <= now < end]
    if not holding:
        return None
    return Frozen(window=holding[0][0], until=_end(tuple(windows), max(end for _, end in holding)))


def outside(windows: Sequence[FreezeWindow], since: datetime, now: datetime) -> timedelta:
    """How much of the time from `since` to `now` no window held."""
    days = min((now - since) // _DAY + 3, _FARTHEST)
    dates = [now.date() + _DAY * (1 - back) for back in range(days + 1)]
    spans = sorted(span for one in windows for day in dates if (span := _span(one, day)) is not None)
    left, reached = timedelta(0), since
    for start, end in spans:
        left += max(min(start, now) - reached, timedelta(0))
        reached = max(reached, min(end, now))
    return left + (now - reached)


@lru_cache(maxsize=1024)
def _end(windows: tuple[FreezeWindow, ...], reached: datetime) -> datetime:
    """When no window holds any more, from the end of one on."""
    farthest = reached + _DAY * _FARTHEST
    while reached < farthest:
        ends = [end for one in windows for start, end in _near(one, reached) if start <= reached < end]
        if not ends:
            break
        reached = max(ends)
    return reached


def _near(window: FreezeWindow, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The spans that may hold at that moment: a window is at most a day long, and a reading may be of the day before."""
    here = moment.astimezone(ZoneInfo(window.time_zone)).date()
    found = (_span(window, here + _DAY * days) for days in (-1, 0, 1))
    return (span for span in found if span is not None)


@lru_cache(maxsize=4096)
def _span(window: FreezeWindow, day: date) -> tuple[datetime, datetime] | None:
    """From when to when, if the window begins on that date."""
    if DAYS[day.weekday()] not in window.days:
        return None
    if (window.first_date is not None and day < window.first_date) or (window.last_date is not None and day > window.last_date):
        return None
    zone = ZoneInfo(window.time_zone)
    ends_on = day if window.start < window.end else day + _DAY  # both are written hh:mm, so text is in the order of time
    return min(_readings(day, window.start, zone)), max(_readings(ends_on, window.end, zone))


def _readings(day: date, clock: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """What a time on the wall can mean, in UTC."""
    hour, minute = map(int, clock.split(":"))
    there = datetime(day.year, day.month, day.day, minute=minute, tzinfo=zone) + timedelta(hours=hour)  # on the wall: 24:00 too
    return there.replace(fold=0).astimezone(UTC), there.replace(fold=1).astimezone(UTC)
