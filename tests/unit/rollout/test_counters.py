"""Counters to observations: every new one once, and none that belongs to another time."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_rollout.decide.counters import Pair, Reading, p95_bound, tracked
from kanarya_rollout.gates import Classes, Scores, Sums
from kanarya_rollout.observation import Series
from kanarya_rollout.testing import EPOCH, ERRORS, Quality, Simulation, a_rollout

PAIR = Pair(candidate="2", stable="1")
LATENCY = {
    "name": "latency-p95",
    "test": "sequential-ratio",
    "margin": {"tolerate": "1.2", "refuse": "2.0", "negligible": "0.02"},
}


def series(kind, value: int, *, version: str = "2", source: str = "a", bound: float | None = None, started=None) -> Series:
    return Series(source=source, version=version, kind=kind, value=value, bound=bound, started=started)


def reading(now: list[Series], before: dict[str, int] | None = None, **more) -> Reading:
    return Reading(series=tuple(now), counters=before or {}, pair=PAIR, began=EPOCH, **more)


def test_a_counter_counts_what_was_added():
    window = reading([series("requests", 30), series("errors", 4)], {"a|2|requests": 10, "a|2|errors": 1}).window("errors")
    assert (window.candidate_n, window.candidate_bad) == (20, 3)


def test_a_counter_that_went_down_began_anew():
    assert reading([series("requests", 7)], {"a|2|requests": 10}).window("errors").candidate_n == 7


def test_a_series_that_appears_in_a_known_process_counts_from_its_first_event():
    window = reading([series("requests", 30), series("errors", 2)], {"a|2|requests": 10}).window("errors")
    assert (window.candidate_n, window.candidate_bad) == (20, 2)


def test_a_candidates_process_that_appears_later_counts_from_nothing():
    assert reading([series("requests", 5, source="b")], {"a|2|requests": 10}).window("errors").candidate_n == 5


def test_a_champions_process_that_could_not_be_read_before_counts_from_where_it_is_seen():
    known = {"a|1|requests": 10}
    old = series("requests", 10**6, version="1", source="b", started=EPOCH - timedelta(hours=1))
    unknown = series("requests", 10**6, version="1", source="b")
    for one in (old, unknown):
        first = reading([one], known)
        assert first.window("errors").stable_n == 0
        later = reading([series("requests", 10**6 + 5, version="1", source="b")], first.used())
        assert later.window("errors").stable_n == 5


def test_a_champions_process_that_was_restarted_counts_from_nothing():
    new = series("requests", 50, version="1", source="b", started=EPOCH + timedelta(minutes=1))
    assert reading([new], {"a|1|requests": 10}).window("errors").stable_n == 50


def test_a_process_that_is_not_read_keeps_its_place():
    later = reading([], {"a|2|requests": 10})
    assert later.used() == {"a|2|requests": 10}
    assert reading([series("requests", 25)], later.used()).window("errors").candidate_n == 15


def test_labels_count_for_the_version_that_predicted_wherever_they_arrive():
    known = {"a|1|requests": 10}
    window = reading([series("right", 8, version="2", source="a"), series("wrong", 2, version="2", source="a")], known).window(
        "labels"
    )
    assert (window.candidate_n, window.candidate_bad) == (10, 2)


def test_slow_is_what_was_answered_beyond_the_bound():
    now = [series("faster", 100), series("faster", 93, bound=0.1)]
    window = reading(now, {"a|2|faster": 10, "a|2|faster|0.1": 9}).window("slow", 0.1)
    assert (window.candidate_n, window.candidate_bad) == (90, 6)


def test_a_server_with_other_buckets_says_nothing_about_slow_answers():
    assert not reading([series("faster", 100), series("faster", 90, bound=0.25)]).window("slow", 0.1)


def test_a_bound_that_is_followed_from_now_counts_from_now():
    now = [series("faster", 100), series("faster", 93, bound=0.1)]
    first = reading(now, {"a|2|faster": 10}, fresh_bounds=frozenset({0.1}))
    assert not first.window("slow", 0.1)
    later = [series("faster", 110), series("faster", 101, bound=0.1)]
    window = reading(later, first.used()).window("slow", 0.1)
    assert (window.candidate_n, window.candidate_bad) == (10, 2)


def test_a_torn_scrape_never_has_more_bad_than_all():
    window = reading([series("requests", 1), series("errors", 5)]).window("errors")
    assert (window.candidate_n, window.candidate_bad) == (1, 1)


def test_only_what_gates_use_is_kept_in_the_ledger():
    everything = [
        series("requests", 1),
        series("faster", 1, bound=0.1),
        series("faster", 1, bound=0.5),
        series("requests", 1, version="9"),
    ]
    assert [one.key for one in tracked(everything, PAIR, frozenset({0.1}))] == ["a|2|requests", "a|2|faster|0.1"]


def test_slow_means_the_bound_at_or_above_the_champions_p95():
    histogram = [series("faster", 100, version="1")]
    histogram += [series("faster", count, version="1", bound=bound) for bound, count in ((0.05, 80), (0.1, 95), (0.25, 100))]
    assert p95_bound(histogram, "1") == timedelta(seconds=0.1)
    assert p95_bound(histogram[:1], "1") is None
    assert p95_bound([series("faster", 3, version="1"), series("faster", 3, version="1", bound=0.1)], "1") is None
    assert p95_bound([series("faster", 100, version="1"), series("faster", 10, version="1", bound=10.0)], "1") == timedelta(
        seconds=10
    )


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["1", "2"]), st.integers(0, 50), st.booleans()), max_size=40))
def test_over_any_history_every_request_is_counted_once(history):
    """(process, version, requests, read now): counters rise, some readings miss some processes, the last one sees all."""
    totals: dict[tuple[str, str], int] = {}
    ledger = {f"{source}|{version}|requests": 0 for source in "abc" for version in "12"}
    counted = {"1": 0, "2": 0}

    def read(sources: str) -> None:
        nonlocal ledger
        now = reading([series("requests", n, source=s, version=v) for (s, v), n in totals.items() if s in sources], ledger)
        window = now.window("errors")
        counted["1"] += window.stable_n
        counted["2"] += window.candidate_n
        ledger = now.used()

    for source, version, n, visible in history:
        totals[source, version] = totals.get((source, version), 0) + n
        read("abc" if visible else source)
    read("abc")
    assert counted == {v: sum(n for (_, version), n in totals.items() if version == v) for v in "12"}


def test_what_happens_before_the_first_weight_is_nobodys_evidence():
    world = Simulation()
    world.serve_first()
    world.run(ticks=5, requests=1000)
    world.challenge()
    world.until(lambda status: status.canary_weight == 10, requests=1000)
    assert world.status.evidence[0].stable.n == 0
    world.send(100)
    world.tick()
    assert world.status.evidence[0].stable.n == 100


def test_what_happens_during_the_initial_delay_is_not_counted():
    world = Simulation(a_rollout(analysis={"initialDelay": "10s"}, metrics=[{**ERRORS, "minSamples": 1}]))
    world.serve_first()
    world.challenge()
    world.quality["2"] = Quality(errors=1.0)
    world.until(lambda status: status.ledger.first_traffic_at is not None, requests=100)
    world.run(ticks=9, requests=100)
    assert world.status.evidence[0].candidate.n == 0
    world.quality["2"] = Quality()
    world.until(lambda status: status.evidence[0].candidate.n > 0, requests=100)
    assert world.status.evidence[0].candidate.bad == 0


def test_a_server_that_restarts_in_mid_rollout_loses_nothing_and_repeats_nothing():
    world = Simulation(a_rollout(steps=[{"setWeight": 10}, {"pause": {}}]))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.is_true("Paused"), requests=100)
    before = world.status.evidence[0]
    for version in ("1", "2"):
        world.serving.restart(version)
    world.run(ticks=4, requests=100)
    after = world.status.evidence[0]
    assert (after.candidate.n - before.candidate.n, after.stable.n - before.stable.n) == (40, 360)


def test_the_champions_p95_is_pinned_when_the_rollout_begins_and_stays():
    world = Simulation(a_rollout(metrics=[LATENCY]))
    world.serve_first()
    world.run(ticks=2, requests=100)
    world.challenge()
    world.until(lambda status: status.canary_weight == 10, requests=100)
    assert world.status.ledger.slower_than == "100ms"
    world.quality["1"] = Quality(slow=0.5)
    world.quality["2"] = Quality(slow=0.5)
    world.run(ticks=3, requests=100)
    assert world.status.ledger.slower_than == "100ms"


def test_a_champion_that_has_answered_nobody_has_no_p95_and_the_gate_says_so():
    world = Simulation(a_rollout(metrics=[LATENCY]))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.canary_weight == 10)
    assert world.status.evidence[0].message == "the stable version has not answered enough requests to know its p95 yet"
    world.run(ticks=3, requests=100)
    assert world.status.ledger.slower_than == "100ms"


def test_slow_answers_refuse():
    world = Simulation(a_rollout(metrics=[LATENCY]))
    world.serve_first()
    world.run(ticks=2, requests=100)
    world.challenge()
    world.quality["2"] = Quality(slow=0.6)
    world.until(lambda status: status.is_true("RolledBack"), requests=200)
    assert "slow" in world.status.condition("RolledBack").message


def predicted(source: str, version: str, name: str, value: int) -> Series:
    return Series(source=source, version=version, kind="predictions", of=name, value=value)


def test_classes_are_counted_as_they_appear_and_only_if_a_gate_asks_for_them():
    old = [predicted("a", "1", "setosa", 900), predicted("b", "2", "setosa", 0)]
    now = [predicted("a", "1", "setosa", 950), predicted("b", "2", "setosa", 4), predicted("b", "2", "rosa", 1)]
    before = reading(old).used()
    assert reading(now, before).window("predictions") == Classes(candidate={"setosa": 4, "rosa": 1}, stable={"setosa": 50})
    assert tracked(now, PAIR, frozenset()) == ()
    assert tracked(now, PAIR, frozenset(), frozenset({"predictions"})) == tuple(now)


def test_classes_that_nobody_followed_count_from_now():
    known = {one.key: one.value for one in (series("requests", 7000, version="1"), series("requests", 70, source="b"))}
    found = reading([predicted("a", "1", "setosa", 7000), predicted("b", "2", "setosa", 70)], known)
    assert found.window("predictions") == Classes(candidate={"setosa": 0}, stable={"setosa": 0})


def test_scores_are_a_number_a_sum_and_a_sum_of_squares():
    kinds = ("scores", "score-sum", "score-squares")
    before = reading([series(kind, 10) for kind in kinds]).used()
    found = reading([series(kind, 10 + new) for kind, new in zip(kinds, (2, 1_500_000, 1_250_000), strict=True)], before)
    assert found.window("scores") == Scores(candidate=Sums(n=2, total=1_500_000, squares=1_250_000))
