"""Watches of an API server: their beginning and end. What they show is told by tests/cluster/test_apiserver_watched.py."""

import threading

from kubernetes.client import ApiClient, Configuration

from kanarya_rollout.operator import WATCHED
from kanarya_rollout.ports.api import KubernetesApi
from kanarya_rollout.ports.watched import WatchedApi


def test_who_is_told_to_stop_before_the_first_look_does_not_wait_for_it() -> None:
    stop = threading.Event()
    stop.set()
    configuration = Configuration(host="http://127.0.0.1:9")
    with ApiClient(configuration) as client:
        api = WatchedApi(KubernetesApi(client), WATCHED)
        starting = threading.Thread(target=api.start, args=[stop], daemon=True)
        starting.start()
        starting.join(60)

    assert not starting.is_alive()
