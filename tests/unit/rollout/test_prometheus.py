"""Counters from Prometheus: what its vectors mean, how often it is asked, what is never a verdict."""

from datetime import UTC, datetime

import httpx
import pytest

from kanarya_contracts import metrics as names
from kanarya_rollout.ports import Unreachable
from kanarya_rollout.ports.counted import METRICS
from kanarya_rollout.ports.prometheus import STARTED, Prometheus, PrometheusMetrics

EPOCH = 1_767_225_600.0


class Server:
    """Answers instant queries from vectors, and counts them."""

    def __init__(self):
        self.vectors = {names.INFO: [], STARTED: [], "ALERTS": [], **{name: [] for name in METRICS}}
        self.queries = []
        self.answer = None

    def handle(self, request):
        query = request.url.params["query"]
        self.queries.append(query)
        if self.answer is not None:
            return self.answer
        asked = METRICS if "=~" in query else (query.split(" ")[0].partition("{")[0].removeprefix("timestamp(").rstrip(")"),)
        result = [
            {"metric": {"__name__": name, **labels}, "value": [EPOCH + 60, value]}
            for name in asked
            for labels, value in self.vectors[name]
        ]
        return httpx.Response(200, json={"status": "success", "data": {"resultType": "vector", "result": result}})

    def process(self, instance, version, *, started=EPOCH, scraped=EPOCH + 55, model="iris", namespace="flowers"):
        target = {"job": "models", "instance": instance, "namespace": namespace}
        self.vectors[names.INFO].append(({**target, "model": model, "version": version}, str(scraped)))
        self.vectors[STARTED].append((target, str(started)))
        return target

    def add(self, metric, target, value, **labels):
        self.vectors[metric].append(({**target, "model": "iris", **labels}, value))

    def prometheus(self, **options):
        return Prometheus("http://prometheus.test", max_age=1.0, transport=httpx.MockTransport(self.handle), **options)

    def read(self, *versions, namespace="flowers"):
        return PrometheusMetrics(self.prometheus(), model="iris", namespace=namespace).read(versions)


@pytest.fixture
def server():
    return Server()


def counts(series):
    return {(one.version, one.kind, one.bound): one.value for one in series}


def test_a_process_that_has_answered_nothing_has_its_counters_at_zero(server):
    server.process("10.0.0.1:8080", "8")
    found = server.read("8")
    assert counts(found) == {("8", kind, None): 0 for kind in ("requests", "errors", "right", "wrong")}
    assert {(one.source, one.started) for one in found} == {("10.0.0.1:8080-1767225600.00", datetime(2026, 1, 1, tzinfo=UTC))}


def test_answers_are_requests_but_for_a_clients_mistakes_and_a_servers_are_errors_too_by_whatever_door(server):
    target = server.process("a", "8")
    for edge, scale in ((names.Edge.V2_REST, 1), (names.Edge.V1_REST, 10), (names.Edge.V2_GRPC, 100)):
        for code, value in (("200", 50), ("400", 7), ("500", 2), ("503", 1)):
            server.add(names.REQUESTS, target, str(scale * value), version="8", edge=edge, code=code)
    found = counts(server.read("8"))
    assert (found["8", "requests", None], found["8", "errors", None]) == (111 * 53, 111 * 3)


def test_buckets_are_successes_at_or_under_a_bound(server):
    target = server.process("a", "8")
    for bound, value in (("0.05", "40"), ("+Inf", "50")):
        server.add(f"{names.DURATION}_bucket", target, value, version="8", le=bound)
    found = counts(server.read("8"))
    assert (found["8", "faster", 0.05], found["8", "faster", None]) == (40, 50)


def test_labels_count_for_the_version_that_predicted_whoever_they_were_sent_to(server):
    target = server.process("a", "7")
    server.add(names.FEEDBACK, target, "5", version="8", outcome="right")
    server.add(names.FEEDBACK, target, "2", version="8", outcome="wrong")
    found = counts(server.read("7", "8"))
    assert (found["8", "right", None], found["8", "wrong", None], found["7", "right", None]) == (5, 2, 0)
    assert ("8", "requests", None) not in found


def test_a_pod_that_began_anew_at_the_same_address_is_another_source(server):
    server.process("a", "8", started=EPOCH)
    before = {one.source for one in server.read("8")}
    server.vectors[STARTED].clear()
    server.vectors[names.INFO].clear()
    server.process("a", "8", started=EPOCH + 30)
    assert before.isdisjoint(one.source for one in server.read("8"))


def test_a_process_that_two_jobs_scrape_is_counted_once(server):
    for job in ("models", "annotated"):
        target = {**server.process("a", "8"), "job": job}
        server.vectors[names.INFO][-1][0]["job"] = server.vectors[STARTED][-1][0]["job"] = job
        server.add(names.REQUESTS, target, "5", version="8", code="200")
    (requests,) = [one.value for one in server.read("8") if one.kind == "requests"]
    assert requests == 5


def test_models_of_other_namespaces_and_names_are_left_out(server):
    server.process("a", "8")
    for instance, other in (("b", {"namespace": "birds"}), ("c", {"model": "rose"})):
        server.process(instance, "8", **other)
    assert {one.source for one in server.read("8")} == {"a-1767225600.00"}


def test_a_target_whose_start_is_unknown_is_left_out(server):
    server.process("a", "8")
    server.process("b", "8")
    server.vectors[STARTED].pop()
    assert {one.source for one in server.read("8")} == {"a-1767225600.00"}


def test_predictions_count_by_class_and_scores_in_millionths(server):
    target = server.process("a", "8")
    server.add(names.PREDICTIONS, target, "70", **{"version": "8", "class": "setosa"})
    for name, value in ((names.SCORES, "3"), (names.SCORE_SUM, "2.25"), (names.SCORE_SQUARES, "1.8125")):
        server.add(name, target, value, version="8")
    found = {(one.kind, one.of): one.value for one in server.read("8")}
    assert found["predictions", "setosa"] == 70
    assert [found[kind, None] for kind in ("scores", "score-sum", "score-squares")] == [3, 2_250_000, 1_812_500]


def test_scores_of_an_ab_tests_users_count_for_their_goal_with_its_bounds(server):
    target = server.process("a", "8")
    said = {names.GOAL_SCORES: "3", names.GOAL_SCORE_SUM: "1.25", names.GOAL_SCORE_SQUARES: "1.0625", names.GOAL_OUTSIDE: "2"}
    for name, value in said.items():
        server.add(name, target, value, version="8", goal="revenue", bounds="0..500")
    found = {(one.kind, one.of): one.value for one in server.read("8")}
    kinds = ("goal-scores", "goal-score-sum", "goal-score-squares", "goal-outside")
    assert [found[kind, "revenue 0..500"] for kind in kinds] == [3, 1_250_000, 1_062_500, 2]


def test_four_queries_serve_every_rollout_until_they_are_old(server):
    server.process("a", "8")
    server.process("b", "1", namespace="birds")
    now = [0.0]
    prometheus = server.prometheus(monotonic=lambda: now[0])
    flowers, birds = (PrometheusMetrics(prometheus, model="iris", namespace=one) for one in ("flowers", "birds"))
    assert flowers.read(["8"])
    assert birds.read(["1"])
    assert len(server.queries) == 4
    now[0] = 1.0
    assert flowers.read(["8"])
    assert len(server.queries) == 8


def test_answers_that_take_long_to_read_are_asked_for_more_rarely_unless_a_weight_moves(server):
    """However many rollouts there are: a twentieth of the time at most."""
    server.process("a", "8")
    times = iter([0.0, 0.5, 9.9, 10.0, 10.25, 11.0, 11.5, 21.0, 21.1])
    prometheus = server.prometheus(monotonic=lambda: next(times))
    asked = []
    for fresh in (False, False, False, True, False):
        prometheus.samples(fresh=fresh)
        asked.append(len(server.queries))
    assert asked == [4, 4, 8, 12, 16]


def test_a_failure_too_is_remembered_so_that_ten_rollouts_do_not_wait_ten_times(server):
    server.answer = httpx.Response(503, text="starting")
    prometheus = server.prometheus()
    for _ in range(3):
        with pytest.raises(Unreachable, match="503"):
            prometheus.samples()
    assert len(server.queries) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(200, text="<html>"), "not as Prometheus does: <html>"),
        (httpx.Response(422, json={"status": "error", "error": "too many samples"}), "too many samples"),
    ],
)
def test_what_is_no_answer_is_unreachable_with_what_was_said(server, answer, said):
    server.answer = answer
    with pytest.raises(Unreachable, match=said):
        server.read("8")


def test_a_prometheus_that_scrapes_no_server_of_the_model_is_told_so(server):
    with pytest.raises(Unreachable, match="scraped no server of flowers/iris; is its PodMonitor there"):
        server.read("8")


def test_a_prometheus_that_is_away_is_named():
    def away(request):
        raise httpx.ConnectError("refused", request=request)

    prometheus = Prometheus("http://prometheus.test:9090", max_age=0, transport=httpx.MockTransport(away))
    with pytest.raises(Unreachable, match=r"http://prometheus\.test:9090 does not answer: refused"):
        prometheus.samples()


def test_columns_that_drift_are_those_of_the_alerts_for_this_version_of_this_model_here(server):
    for feature, version, model, namespace in (
        ("petal_width", "8", "iris", "flowers"),
        ("petal_length", "8", "iris", "flowers"),
        ("sepal_width", "7", "iris", "flowers"),
        ("sepal_width", "8", "rose", "flowers"),
        ("sepal_width", "8", "iris", "elsewhere"),
    ):
        labels = {"feature": feature, "version": version, "model": model, "namespace": namespace}
        server.vectors["ALERTS"].append(({"alertname": "InputDrift", "alertstate": "firing", **labels}, "1"))
    metrics = PrometheusMetrics(server.prometheus(), model="iris", namespace="flowers")
    assert metrics.drifting("8") == ("petal_length", "petal_width")
    assert metrics.drifting("9") == ()
    assert sum('ALERTS{alertname="InputDrift", alertstate="firing"}' in query for query in server.queries) == 1


def test_counters_are_as_old_as_the_last_scrape_of_their_process(server):
    for instance, scraped in (("a", EPOCH + 41.5), ("b", EPOCH + 55)):
        server.add(names.REQUESTS, server.process(instance, "8", scraped=scraped), "5", version="8", code="200")
    found = {one.source.partition("-")[0]: one.at for one in server.read("8")}
    assert found == {"a": datetime(2026, 1, 1, 0, 0, 41, 500_000, tzinfo=UTC), "b": datetime(2026, 1, 1, 0, 0, 55, tzinfo=UTC)}
