"""Which variables are meant for a program, and what is said of one that is not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.environment import meant, unknown

PREFIX = "KANARYA_MODEL_"
LINKS = {
    "KANARYA_MODEL_SERVICE_HOST": "10.96.0.7",
    "KANARYA_MODEL_SERVICE_PORT": "80",
    "KANARYA_MODEL_SERVICE_PORT_HTTP": "80",
    "KANARYA_MODEL_PORT": "tcp://10.96.0.7:80",
    "KANARYA_MODEL_PORT_80_TCP": "tcp://10.96.0.7:80",
    "KANARYA_MODEL_PORT_80_TCP_PROTO": "tcp",
    "KANARYA_MODEL_PORT_80_TCP_PORT": "80",
    "KANARYA_MODEL_PORT_80_TCP_ADDR": "10.96.0.7",
    "KANARYA_MODEL_METRICS_SERVICE_HOST": "10.96.0.8",
    "KANARYA_MODEL_METRICS_PORT_9090_UDP_ADDR": "10.96.0.8",
}
"""What the kubelet gives a pod in whose namespace there are Services `kanarya-model` and `kanarya-model-metrics`."""


def test_what_kubernetes_says_of_services_is_meant_for_nobody() -> None:
    assert meant({**LINKS, "HOME": "/tmp"}, PREFIX) == {}


def test_a_port_that_a_person_gives_is_meant_though_a_service_has_the_same_name() -> None:
    given = {**LINKS, "KANARYA_MODEL_PORT": "8081", "KANARYA_MODEL_VERSION": "7"}
    assert meant(given, PREFIX) == {"KANARYA_MODEL_PORT": "8081", "KANARYA_MODEL_VERSION": "7"}


@given(st.dictionaries(st.sampled_from(["KANARYA_MODEL_PORT", "KANARYA_MODEL_SERVICE_PORT", "KANARYA_ROLLOUT_X"]), st.text()))
def test_without_a_service_everything_with_the_prefix_and_a_value_is_meant(given: dict[str, str]) -> None:
    assert meant(given, PREFIX) == {name: value for name, value in given.items() if value and name.startswith(PREFIX)}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("KANARYA_MODEL_DRAIN_SECOND", "is no setting; did you mean KANARYA_MODEL_DRAIN_SECONDS?"),
        ("KANARYA_MODEL_QUUX", "is no setting"),
    ],
)
def test_of_an_unknown_variable_the_nearest_known_one_is_said(name: str, said: str) -> None:
    known = ["KANARYA_MODEL_DRAIN_SECONDS", "KANARYA_MODEL_GRACE_SECONDS"]
    assert unknown([name, *known], known, PREFIX) == {name: said}
