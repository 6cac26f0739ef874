"""Freeze windows: what the clock on the wall says, over changes of clocks too; and that nothing moves on in them."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.names import Verb
from kanarya_contracts.rollout import DAYS, FreezeWindow
from kanarya_rollout.freeze import frozen, outside
from kanarya_rollout.testing import ERRORS, Quality, Simulation, a_rollout, promoted

CHANGES = [
    ("UTC", datetime(2026, 6, 1, tzinfo=UTC)),
    ("Europe/Istanbul", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),  # midnight does not happen
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),  # the hour before midnight happens twice
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),  # half an hour
]
CLOCK = st.builds(lambda hour, minute: f"{hour:02}:{minute:02}", st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[FreezeWindow], datetime, str]:
    """Some windows of one zone, and a moment near a change of its clocks."""
    zone, change = draw(st.sampled_from(CHANGES))
    windows = []
    for _ in range(draw(st.integers(1, 2))):
        start, end = draw(st.tuples(CLOCK, CLOCK | st.just("24:00")).filter(lambda pair: pair[0] != pair[1]))
        days = draw(st.lists(st.sampled_from(DAYS), min_size=1, unique=True))
        windows.append(FreezeWindow(days=tuple(days), start=start, end=end, time_zone=zone))
    return windows, change + timedelta(minutes=draw(st.integers(-3000, 3000))), zone


def on_the_wall(window: FreezeWindow, moment: datetime) -> bool:
    """Whether a person who looks at the clock on the wall would say that it is frozen."""
    local = moment.astimezone(ZoneInfo(window.time_zone)).replace(tzinfo=None)
    for day in (local.date() - timedelta(days=1), local.date()):
        start = datetime.combine(day, time.fromisoformat(window.start))
        last = datetime.combine(day, time()) + timedelta(hours=int(window.end[:2]), minutes=int(window.end[3:]))
        end = last if last > start else last + timedelta(days=1)
        if DAYS[day.weekday()] in window.days and start <= local < end:
            return True
    return False


def changes_near(zone: str, moment: datetime) -> bool:
    around = (moment + timedelta(hours=hours) for hours in (-30, 0, 30))
    return len({one.astimezone(ZoneInfo(zone)).utcoffset() for one in around}) > 1


@given(cases())
def test_it_is_frozen_when_the_clock_on_the_wall_says_so_and_longer_only_where_clocks_change(case):
    windows, moment, zone = case
    said = any(on_the_wall(window, moment) for window in windows)
    found = frozen(windows, moment) is not None
    assert found or not said
    if not changes_near(zone, moment):
        assert found == said


@given(cases())
def test_until_is_the_first_moment_at_which_it_is_not_frozen(case):
    windows, moment, _ = case
    found = frozen(windows, moment)
    if found is not None and found.until - moment < timedelta(days=300):
        assert found.until > moment
        assert frozen(windows, found.until) is None
        for part in (0.25, 0.5, 0.99):
            assert frozen(windows, moment + part * (found.until - moment)).until == found.until


@settings(max_examples=10)
@given(cases(), st.integers(1, 300))
def test_the_time_outside_is_the_sum_of_its_minutes(case, minutes: int):
    windows, moment, _ = case
    began = moment.replace(second=0, microsecond=0)
    free = sum(frozen(windows, began + timedelta(minutes=one)) is None for one in range(minutes))
    assert outside(windows, began, began + timedelta(minutes=minutes)) == timedelta(minutes=free)


def test_windows_that_meet_are_one_freeze_and_one_of_every_hour_has_no_end_worth_naming():
    weekend = FreezeWindow(days=("Sat", "Sun"), reason="weekend")
    friday = FreezeWindow(days=("Fri",), start="16:00", reason="after four")
    assert str(frozen([weekend, friday], datetime(2026, 11, 27, 17, tzinfo=UTC))) == "until 2026-11-30 00:00 (UTC): after four"
    always = frozen([FreezeWindow()], datetime(2026, 11, 27, tzinfo=UTC))
    assert always.until > datetime(2027, 11, 27, tzinfo=UTC)


def test_dates_bound_the_days_on_which_a_window_begins():
    turn = FreezeWindow(first_date=date(2026, 12, 20), last_date=date(2027, 1, 3), time_zone="Europe/Istanbul")
    assert frozen([turn], datetime(2026, 12, 19, 20, 59, tzinfo=UTC)) is None
    assert frozen([turn], datetime(2026, 12, 19, 21, tzinfo=UTC)).until == datetime(2027, 1, 3, 21, tzinfo=UTC)
    assert frozen([turn], datetime(2027, 1, 3, 21, tzinfo=UTC)) is None


MORNING = {"from": "00:05", "to": "01:00", "reason": "stocktaking"}
"""The simulated clock begins at midnight."""


def at_ten_percent(**spec: object) -> Simulation:
    """A candidate at its first weight, five minutes before it is frozen."""
    world = Simulation(a_rollout(freeze=[MORNING], **spec))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.canary_weight == 10, requests=10)
    return world


def until_frozen(world: Simulation) -> None:
    world.clock.advance(300)
    world.run(ticks=2)


def test_no_weight_rises_and_the_status_says_until_when_and_why():
    world = at_ten_percent()
    until_frozen(world)
    told = [event.message for _ in range(60) for event in world.tick(requests=200).events]
    condition = world.status.condition("Frozen")
    assert (world.status.canary_weight, condition.status, condition.reason) == (10, "True", "FreezeWindow")
    assert condition.message.endswith("nothing is promoted until 2026-01-01 01:00 (UTC): stocktaking")
    assert told == []  # it was told once, when it began
    assert world.status.evidence[0].candidate.n > 1000  # and counting goes on
    world.clock.advance(3600)
    world.until(promoted, requests=200)
    assert not world.status.is_true("Frozen")


def test_nothing_starts_and_the_warm_champion_stays_until_it_may():
    world = Simulation(a_rollout(freeze=[MORNING], rollbackWindow="3h"))
    world.serve_first()
    world.challenge("2")
    world.until(promoted, requests=200)
    until_frozen(world)
    world.challenge("3")
    world.run(ticks=20)
    assert (world.status.candidate.version, world.status.warm.version, world.status.is_true("Frozen")) == ("2", "1", True)
    world.clock.advance(3600)
    world.until(lambda status: status.candidate.version == "3")


def test_a_candidate_that_becomes_ready_in_a_freeze_gets_no_request():
    world = Simulation(a_rollout(freeze=[MORNING]))
    world.serve_first()
    world.serving.behaviour["2"] = "starting"
    world.challenge()
    world.run(ticks=3)
    until_frozen(world)
    world.serving.behaviour["2"] = "ready"
    world.run(ticks=20)
    assert world.status.canary_weight == 0
    assert "version 2 is ready, and gets its first weight when" in world.status.condition("Progressing").message


@pytest.mark.parametrize("how", ["gate", "abort", "withdrawn", "undo"])
def test_what_takes_back_works_in_a_freeze(how: str):
    world = at_ten_percent(rollbackWindow="3h")
    if how == "undo":
        world.until(promoted, requests=200)
    until_frozen(world)
    if how == "gate":
        world.quality["2"] = Quality(errors=0.5)
    elif how == "withdrawn":
        del world.registry.aliases["challenger"]
    else:
        world.ask(Verb.ABORT if how == "abort" else Verb.UNDO)
    world.until(lambda status: status.is_true("RolledBack") and status.retiring is None, requests=100, ticks=30)
    assert world.traffic.now["1"] == 100


def test_a_promotion_that_has_begun_is_finished():
    world = at_ten_percent()
    world.until(lambda status: status.canary_weight == 50, requests=200)
    world.traffic.delay = 10
    world.until(lambda status: status.canary_weight == 100, requests=200)
    until_frozen(world)
    world.until(promoted)


def test_who_asks_for_a_promotion_hears_until_when_it_is_frozen():
    world = at_ten_percent(steps=[{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}], metrics=[{**ERRORS, "minSamples": 0}])
    world.until(lambda status: status.is_true("Paused"))
    until_frozen(world)
    for full in (False, True):
        world.ask(Verb.PROMOTE, full=full)
        world.tick()
        assert "but it is frozen until 2026-01-01 01:00 (UTC): stocktaking" in world.status.last_request_refusal
    assert world.status.canary_weight == 10


def test_a_champion_that_somebody_moves_in_the_registry_is_heeded_in_a_freeze():
    world = at_ten_percent()
    until_frozen(world)
    world.registry.aliases["champion"] = "2"
    world.until(promoted, ticks=20)


def test_frozen_time_does_not_count_towards_the_deadline():
    world = at_ten_percent(deadline="10m", onInconclusive="rollback")
    until_frozen(world)
    world.clock.advance(3300)
    world.run(ticks=2)
    assert not world.status.is_true("RolledBack")
    world.clock.advance(300)
    world.run(ticks=2)
    assert world.status.condition("RolledBack").reason == "DeadlineExceeded"


def test_an_idle_rollout_is_not_written_because_it_is_frozen():
    world = Simulation(a_rollout(freeze=[MORNING]))
    world.serve_first()
    world.run(ticks=3)
    written = len(world.store.history)
    until_frozen(world)
    assert len(world.store.history) == written
