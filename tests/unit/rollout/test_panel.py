"""All gates of a rollout: what is kept of them, when it is read and when it is not."""

import json

from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.rollout import Ledger, ModelRolloutStatus
from kanarya_rollout.gates import Panel, Window
from kanarya_rollout.testing import ACCURACY, ERRORS, a_rollout

SPEC = a_rollout(metrics=[ERRORS, ACCURACY]).spec
GATES = [metric.name for metric in SPEC.analysis.metrics]

counts = st.integers(0, 40)
windows = st.builds(
    lambda n_c, bad_c, n_s, bad_s: Window(
        candidate_n=n_c, candidate_bad=min(bad_c, n_c), stable_n=n_s, stable_bad=min(bad_s, n_s)
    ),
    *[counts] * 4,
)
passes = st.lists(st.dictionaries(st.sampled_from(GATES), windows, max_size=2), max_size=6)


@given(seen=passes)
def test_going_on_from_what_is_kept_is_going_on_with_the_panel(seen):
    kept, restarted = Panel.of(SPEC, {}), Panel.of(SPEC, {})
    for each in seen:
        kept = kept.fold(each)
        restarted = Panel.of(SPEC, json.loads(json.dumps({name: dict(texts) for name, texts in restarted.fold(each).items()})))
    assert kept == restarted
    assert [one.judge() for one in kept.gates.values()] == [one.judge() for one in restarted.gates.values()]


def test_a_status_is_written_and_read_back_with_what_the_gates_keep():
    panel = Panel.of(SPEC, {}).fold({"error-rate": Window(candidate_n=3, candidate_bad=1, stable_n=20)})
    status = ModelRolloutStatus(ledger=Ledger().model_copy(update={"gates": panel}))
    read = ModelRolloutStatus.model_validate_json(status.model_dump_json(by_alias=True))
    assert read == status
    assert read.ledger.gates == {"error-rate": panel.gates["error-rate"].saved()}


def test_what_a_gate_kept_that_the_spec_has_no_more_stays():
    gone = {"latency": {"of": ["another"]}}
    panel = Panel.of(SPEC, gone).fold({"accuracy": Window(candidate_n=1, stable_n=1)})
    assert panel["latency"] == gone["latency"]
    assert set(panel) == {"latency", "accuracy"}


def test_other_margins_begin_anew():
    seen = Panel.of(SPEC, {}).fold({"error-rate": Window(candidate_n=9, candidate_bad=3, stable_n=9)})
    edited = a_rollout(metrics=[{**ERRORS, "margin": {"tolerate": "1.5", "refuse": "9"}}, ACCURACY]).spec
    assert Panel.of(edited, seen).gates["error-rate"].judge().candidate.n == 0
    assert Panel.of(SPEC, seen) is seen
