"""The controller's view of a real API server: what is announced is there, what we wrote is there at once, and without its
watches nothing is made up."""

import threading
import time

import pytest

from kanarya_rollout.operator import WATCHED
from kanarya_rollout.ports import Unreachable
from kanarya_rollout.ports.api import KubernetesApi, collection
from kanarya_rollout.ports.watched import Kind, WatchedApi

PODS = Kind(
    group="v1",
    plural="pods",
    selector="app",
    about=lambda one: one["metadata"]["labels"]["app"],
    unread=frozenset({"managedFields", "spec"}),
)
MAPS = Kind(group="v1", plural="configmaps", about=lambda one: one["metadata"]["name"])


class Counting(KubernetesApi):
    """The API server's door, with a count of who went through it."""

    def __init__(self, api):
        super().__init__(api._client)
        self.reads = 0
        self.away = False

    def get(self, path, **query):
        self.reads += 1
        if self.away:
            raise Unreachable("away")
        return super().get(path, **query)


class World:
    def __init__(self, server):
        self.server, self.space = server, server.namespace()
        self.api = KubernetesApi.connected(str(server.kubeconfig))
        self.seen = WatchedApi(self.api, [PODS, MAPS], [self.space])
        self.stop = threading.Event()
        self.pods = collection("v1", self.space, "pods")
        self.maps = collection("v1", self.space, "configmaps")

    def start(self):
        self.seen.start(self.stop)
        self.until(lambda: all(one.stands for every in self.seen._watches.values() for one in every))
        return self

    def put(self, name, app="iris"):
        spec = {"containers": [{"name": "c", "image": "i"}]}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": spec}
        self.server.apply(f"{self.pods}/{name}", body)

    def named(self, app="iris"):
        return sorted(one["metadata"]["name"] for one in self.seen.items(self.pods, labelSelector=f"app={app}"))

    def until(self, holds):
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline, "not within 60 s"
            time.sleep(0.02)


@pytest.fixture
def world(api_server):
    made = World(api_server)
    yield made
    made.stop.set()


def test_what_appears_changes_and_goes_is_seen_without_asking(world):
    world.put("before")
    world.start()
    assert world.named() == ["before"]
    world.put("after")
    world.put("other", app="rose")
    world.until(lambda: world.named() == ["after", "before"] and world.named("rose") == ["other"])
    world.put("after", app="rose")
    world.until(lambda: world.named("rose") == ["after", "other"] and world.named() == ["before"])
    world.server.delete(f"{world.pods}/before")
    world.until(lambda: world.named() == [])
    assert world.seen.get(f"{world.pods}/before") is None
    assert world.seen.get(f"{world.pods}/after")["metadata"]["labels"] == {"app": "rose"}


def test_what_nobody_reads_is_not_kept(world):
    world.put("a")
    world.start()
    (seen,) = world.seen.items(world.pods, labelSelector="app=iris")
    whole = world.server.get(f"{world.pods}/a")
    assert seen.keys() == {"metadata", "status"}  # a list leaves kind and version out
    assert seen["status"] == whole["status"]
    assert whole["metadata"].keys() - seen["metadata"].keys() == {"managedFields"}


def test_news_is_about_one_service_and_no_other(world):
    world.put("a")
    world.put("b", app="rose")
    world.start()
    iris, rose = world.seen.news(world.space, "iris"), world.seen.news(world.space, "rose")
    assert iris == world.seen.news(world.space, "iris")
    world.put("c", app="rose")
    world.until(lambda: world.seen.news(world.space, "rose") != rose)
    assert world.seen.news(world.space, "iris") == iris


def test_what_we_wrote_is_read_at_once_and_what_is_older_is_not_believed(world):
    world.start()
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": world.space}, "data": {}}
    first = world.seen.create(world.maps, body)
    for count in range(20):
        world.seen.merge(f"{world.maps}/one", {"data": {"count": str(count)}})
        assert world.seen.get(f"{world.maps}/one")["data"]["count"] == str(count)
    (watch,) = world.seen._watches["/api/v1", "configmaps"]
    watch.note(first)
    assert world.seen.get(f"{world.maps}/one")["data"]["count"] == "19"


def test_without_a_watch_that_stands_the_api_server_is_asked_and_news_is_always_possible(world):
    world.put("a")
    assert world.named() == ["a"]  # nothing was started yet
    assert world.seen.news(world.space, "iris") != world.seen.news(world.space, "iris")
    world.start()
    (watch,) = world.seen._watches["/api/v1", "pods"]
    watch.stands = False
    world.server.delete(f"{world.pods}/a")
    assert world.named() == []


def test_a_version_that_is_too_old_to_follow_is_an_answer_and_no_silence(world):
    api = KubernetesApi.connected(str(world.server.kubeconfig))
    with pytest.raises(Unreachable):
        list(api.watch(world.pods, "not-a-version", 5))


def test_a_watch_breaks_and_stands_again(world):
    counting = Counting(world.api)
    world.seen = WatchedApi(counting, [PODS], [world.space])
    counting.away = True
    world.seen.start(world.stop)
    world.until(lambda: counting.reads > 0)
    (watch,) = world.seen._watches["/api/v1", "pods"]
    assert not watch.stands
    counting.away = False
    world.put("a")
    world.until(lambda: watch.stands and world.named() == ["a"])


def test_a_whole_look_at_a_settled_rollout_asks_the_api_server_nothing(api_server):
    """Every kind that the controller's adapters read in a pass is watched."""
    api_server.install("inferenceservices")
    world = World(api_server)
    counting = Counting(world.api)
    world.seen = WatchedApi(counting, WATCHED, [world.space])
    world.start()
    try:
        before = counting.reads
        for kind in WATCHED:
            path = collection(kind.group, world.space, kind.plural)
            selector = {"labelSelector": f"{kind.selector}=iris"} if kind.selector else {}
            assert world.seen.items(path, **selector) == []
            assert world.seen.get(f"{path}/iris") is None
        assert counting.reads == before
    finally:
        world.stop.set()
