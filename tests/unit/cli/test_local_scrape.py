"""From a server's exposition text to the series that gates read."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from kanarya_cli.local.scrape import series_of
from kanarya_cli.local.serving import Server
from kanarya_contracts import metrics as names

SERVER = Server(version="7", port=1, pid=812, created=1_700_000_000.25)


def read(registry: CollectorRegistry) -> dict[str, int]:
    return {one.key: one.value for one in series_of(SERVER, generate_latest(registry).decode())}


CODES = st.sampled_from(["200", "400", "404", "422", "500", "503"])


@given(st.dictionaries(st.tuples(st.sampled_from(names.Edge), CODES), st.integers(0, 10**9)))
def test_a_clients_mistake_is_no_request_and_a_servers_is_one_that_failed_by_every_door(
    counts: dict[tuple[names.Edge, str], int],
) -> None:
    registry = CollectorRegistry()
    labels = [names.MODEL, names.VERSION, names.EDGE, names.CODE]
    counter = Counter(names.REQUESTS, "requests", labels, registry=registry)
    for (edge, code), count in counts.items():
        counter.labels("iris", "7", edge, code).inc(count)

    found = read(registry)

    assert found["812-1700000000.25|7|requests"] == sum(count for (_, code), count in counts.items() if code[0] != "4")
    assert found["812-1700000000.25|7|errors"] == sum(count for (_, code), count in counts.items() if code[0] == "5")


def test_a_server_that_has_counted_nothing_says_so_with_zeros() -> None:
    found = {one.kind: one.value for one in series_of(SERVER, "")}

    assert found == {"requests": 0, "errors": 0, "right": 0, "wrong": 0}


def test_faster_is_cumulative_and_has_every_bound() -> None:
    registry = CollectorRegistry()
    labels = [names.MODEL, names.VERSION]
    histogram = Histogram(names.DURATION, "seconds", labels, buckets=names.DURATION_BUCKETS, registry=registry)
    for seconds in (0.0004, 0.002, 0.002, 99.0):
        histogram.labels("iris", "7").observe(seconds)

    faster = {one.bound: one.value for one in series_of(SERVER, generate_latest(registry).decode()) if one.kind == "faster"}

    assert faster.keys() == {*names.DURATION_BUCKETS, None}
    assert [faster[bound] for bound in (0.00025, 0.0005, 0.0025, 10.0, None)] == [0, 1, 3, 3, 4]


def test_feedback_counts_for_the_version_that_predicted() -> None:
    registry = CollectorRegistry()
    feedback = Counter(names.FEEDBACK, "labels", [names.MODEL, names.VERSION, names.OUTCOME], registry=registry)
    feedback.labels("iris", "8", "wrong").inc(3)
    feedback.labels("iris", "7", "right").inc(2)

    found = read(registry)

    assert found["812-1700000000.25|8|wrong"] == 3
    assert found["812-1700000000.25|7|right"] == 2
    assert "812-1700000000.25|8|right" not in found


def test_every_series_knows_when_its_process_started() -> None:
    assert {one.started for one in series_of(SERVER, "")} == {datetime.fromtimestamp(1_700_000_000.25, UTC)}
