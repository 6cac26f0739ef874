"""When nothing may move on, as a person writes it: `{days: [Sat, Sun], timeZone: Europe/Istanbul, reason: weekend}`."""

from datetime import date
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from kanarya_contracts.problems import Problem, agreed, problem, repeated
from kanarya_contracts.rollout.base import Strict

Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
"""A day of the week."""

DAYS: tuple[Day, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""In the order of `date.weekday`."""


class FreezeWindow(Strict):
    """A time of the week, or of some dates, in which nothing starts, no weight rises and nothing is promoted. What takes the
    candidate back works at any time, and so does the registry: who moves the stable alias by hand is heeded."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)] = DAYS
    """On which days it begins."""
    start: Annotated[str, Field(alias="from", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "00:00"
    """When it begins, by the clock on the wall."""
    end: Annotated[str, Field(alias="to", pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")] = "24:00"
    """When it ends; on the next day where that is not after `from`."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"
    """Whose clock: a name of the IANA database, such as Europe/Istanbul. Where clocks are changed within the window, it is
    the longer of the two readings."""
    first_date: date | None = None
    """The first date on which it begins; without it, since ever."""
    last_date: date | None = None
    """The last date on which it begins; without it, for ever."""
    reason: Annotated[str, Field(max_length=200)] = ""
    """Why, for people."""

    @model_validator(mode="after")
    def _a_window(self) -> Self:
        wrong = repeated("days", self.days)
        if self.start == self.end:
            wrong.append(problem(f"got {self.end!r}, which is from too; expected another time", "to"))
        if self.first_date is not None and self.last_date is not None and self.last_date < self.first_date:
            wrong.append(problem(f"got {self.last_date}, expected firstDate ({self.first_date}) or later", "lastDate"))
        return agreed(self, [*wrong, *self._zone_problems()])

    def _zone_problems(self) -> list[Problem]:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return [problem(f"got {self.time_zone!r}, expected a time zone's name such as UTC or Europe/Istanbul", "timeZone")]
        return []
