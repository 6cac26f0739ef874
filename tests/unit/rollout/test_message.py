"""What is sent about a rollout: its content, its signature, and what may not stand in it."""

import json

import pytest

from kanarya_contracts.problems import InvalidInput
from kanarya_rollout.message import SignedCloudEvent, Text, key_of, messages, signature
from kanarya_rollout.settings import settings
from kanarya_rollout.testing import EPOCH, Quality, Simulation

LEAST = {"MLFLOW_TRACKING_URI": "http://mlflow:5000", "KANARYA_ROLLOUT_PROMETHEUS": "http://prometheus:9090"}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def refused():
    """The messages of the pass in which a gate refuses version 2."""
    world = Simulation()
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.canary_weight == 10, requests=100)
    world.quality["2"] = Quality(errors=0.5)
    while True:
        rollout, decision = world.store.get("iris")[0], world.tick(requests=100)
        if decision.status.is_true("RolledBack"):
            return messages(rollout, decision)


def test_the_signature_is_that_of_the_specifications_own_example():
    body = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(key_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body) == expected


def test_a_cloud_event_says_what_happened_to_whom_with_the_evidence():
    [message] = refused()
    post = SignedCloudEvent(key=key_of(SECRET)).post(message, EPOCH)
    event = json.loads(post.body)
    assert post.headers["Content-Type"].startswith("application/cloudevents+json")
    assert (event["specversion"], event["type"]) == ("1.0", "dev.kanarya.modelrollout.GateRefused")
    assert event["source"] == "/namespaces/default/modelrollouts/iris"
    assert (event["time"][:17], event["time"][-1]) == ("2026-01-01T00:00:", "Z")
    assert (event["data"]["severity"], event["data"]["stable"]["version"]) == ("Warning", "1")
    assert event["data"]["evidence"][0]["verdict"] == "Failed"
    assert event["data"]["message"].startswith("version 2 was rolled back: error-rate: ")


def test_another_attempt_is_the_same_event_signed_anew():
    [message] = refused()
    form = SignedCloudEvent(key=key_of(SECRET))
    first, second = form.post(message, EPOCH), form.post(message, EPOCH.replace(year=2027))
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert [one.id for one in refused()] == [message.id]  # decided again after a crash, it is the same event


def test_a_line_for_people_has_no_markup_of_its_own():
    [message] = refused()
    event = message.event.__class__(type="Normal", reason=message.event.reason, message="<!channel> 1 > 0 & more")
    text = json.loads(Text().post(message.__class__(**{**vars(message), "event": event}), EPOCH).body)["text"]
    assert text == "Normal: default/iris: GateRefused: &lt;!channel&gt; 1 &gt; 0 &amp; more"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"WEBHOOK_URL": "https://x/hook"}, "KANARYA_ROLLOUT_WEBHOOK_SECRET: is missing"),
        ({"WEBHOOK_SECRET": SECRET}, "KANARYA_ROLLOUT_WEBHOOK_URL: is missing"),
        ({"WEBHOOK_URL": "ftp://t0psecret", "WEBHOOK_SECRET": SECRET}, "expected an http:// or https:// address"),
        ({"WEBHOOK_URL": "https://x", "WEBHOOK_SECRET": "whsec_t0psecret"}, "expected whsec_ and 24 to 64 bytes in base64"),
        ({"SLACK_URL": "hooks.slack.com/t0psecret"}, "KANARYA_ROLLOUT_SLACK_URL: expected an http:// or https:// address"),
    ],
)
def test_a_receiver_that_cannot_be_is_refused_without_showing_its_secrets(given: dict[str, str], said: str):
    with pytest.raises(InvalidInput) as told:
        settings({**LEAST, **{f"KANARYA_ROLLOUT_{name}": value for name, value in given.items()}})
    assert said in str(told.value)
    assert "t0psecret" not in str(told.value)


def test_addresses_and_secrets_are_not_shown():
    chosen = settings({**LEAST, "KANARYA_ROLLOUT_SLACK_URL": "https://hooks.slack.com/services/t0psecret"})
    assert "t0psecret" not in repr(chosen)
