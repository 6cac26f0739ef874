"""What a person sees of a rollout: weights, position, evidence."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from kanarya_cli import explain, view
from kanarya_contracts.names import ConditionType, Reason
from kanarya_contracts.rollout import Condition, Evidence, Interval, ModelRollout, ModelRolloutStatus, Step, Tally
from kanarya_contracts.testing import gate, rollout, version, weights

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def condition(kind: ConditionType, reason: Reason, message: str = "", *, at: datetime = NOW) -> Condition:
    return Condition(type=kind, status="True", reason=reason, message=message, last_transition_time=at)


def progressing(**status: object) -> ModelRollout:
    fields: dict[str, object] = {
        "stable": version("7"),
        "candidate": version("8"),
        "canary_weight": 25,
        "current_step_index": 1,
        "conditions": [condition(ConditionType.PROGRESSING, Reason.SHIFTING_TRAFFIC)],
    }
    return rollout(gates=[gate(min_samples=300)], status=ModelRolloutStatus.model_validate(fields | status))


def printed(renderable: object) -> str:
    out = io.StringIO()
    Console(file=out, width=120, no_color=True).print(renderable)
    return out.getvalue()


def test_weights_name_the_champion_first_and_sum_to_a_hundred() -> None:
    assert view.weights(progressing()) == {"7": 75, "8": 25}
    assert list(view.weights(progressing())) == ["7", "8"]


def test_a_promoted_candidate_is_not_shown_twice() -> None:
    assert view.weights(progressing(stable=version("8"), canary_weight=0)) == {"8": 100}


def test_before_a_champion_serves_there_is_no_split_to_show() -> None:
    assert view.weights(rollout()) == {}
    assert "no champion serves yet" in printed(view.rollout(rollout()))


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"setWeight": 25}, "setWeight 25"),
        ({"pause": {"duration": "2m"}}, "pause 2m"),
        ({"pause": {}}, "pause until promoted"),
        ({"analysis": {"until": ["error-rate"]}}, "analysis until error-rate"),
        ({"setMirror": {"percentage": 50}}, "setMirror 50"),
    ],
)
def test_a_step_reads_as_it_is_written(step: dict[str, object], text: str) -> None:
    assert view.step(Step.model_validate(step)) == text


def test_the_position_counts_steps_from_one_and_says_when_all_are_done() -> None:
    assert view.position(progressing()) == "step 2 of 3: setWeight 25"
    assert view.position(progressing(current_step_index=3)) == "all steps done"
    assert view.position(rollout(steps=weights(10))) == ""


def test_trouble_comes_before_progress_in_the_headline() -> None:
    one = progressing(
        conditions=[
            condition(ConditionType.PROGRESSING, Reason.SHIFTING_TRAFFIC),
            condition(ConditionType.DEGRADED, Reason.REGISTRY_UNREACHABLE),
        ]
    )
    assert view.headline(one) == "Degraded: RegistryUnreachable"


def test_when_nothing_moves_the_headline_is_how_the_last_candidate_ended() -> None:
    one = progressing(
        conditions=[
            condition(ConditionType.PROMOTED, Reason.GATES_AGREED, at=datetime(2026, 11, 22, tzinfo=UTC)),
            condition(ConditionType.ROLLED_BACK, Reason.GATE_REFUSED, at=NOW),
        ]
    )
    assert view.headline(one) == "RolledBack: GateRefused"


def test_the_page_shows_counts_evidence_and_threshold_of_each_gate() -> None:
    row = Evidence.model_validate(
        {
            "metric": "error-rate",
            "candidate": Tally(n=1812, bad=3),
            "stable": Tally(n=2431, bad=11),
            "log_e": "-1.93",
            "threshold": "4.61",
            "verdict": "Inconclusive",
        }
    )
    text = printed(view.rollout(progressing(evidence=[row])))
    assert "3 bad of 1,812" in text
    assert "11 bad of 2,431" in text
    assert "-1.9 / 4.6" in text
    assert "Inconclusive" in text
    assert "v8 ██████████░" in text


def test_of_scores_the_page_shows_the_mean() -> None:
    row = Evidence(metric="revenue", candidate=Tally(n=1812, mean="23.41"), stable=Tally(n=2431, mean="22.98"))
    text = printed(view.rollout(progressing(evidence=[row])))
    assert "mean 23.41 of 1,812" in text
    assert "mean 22.98 of 2,431" in text


def sentences(one: ModelRollout) -> list[str]:
    return explain.sentences(one, options="-n kanarya", controller=lambda: "kubectl -n kanarya logs deploy/rollout")


def test_explain_says_what_the_step_still_waits_for() -> None:
    row = Evidence(metric="error-rate", candidate=Tally(n=120), verdict="Inconclusive", message="120 of about 370 needed.")
    one = progressing(evidence=[row], ledger={"step_observations": {"error-rate": 120}})
    lines = sentences(one)
    assert lines[0] == "iris: v7 gets 75 %, v8 gets 25 %; step 2 of 3: setWeight 25."
    assert "error-rate: Inconclusive. 120 of about 370 needed." in lines
    assert any("sooner with more weight" in line and "margin.negligible" in line for line in lines)
    assert "error-rate: this step has 120 of the 300 observations it waits for." in lines


@pytest.mark.parametrize(
    ("one", "weight", "row", "expected"),
    [
        (
            gate(),
            5,
            {"verdict": "Inconclusive", "needs": 90},
            ["at 50 % they come 10 times as fast", "margin.negligible", "a mirror first"],
        ),
        (gate(), 40, {"verdict": "Inconclusive", "needs": 90}, ["at 50 % they come 1.2 times as fast"]),
        (
            gate(),
            50,
            {"verdict": "Inconclusive", "needs": 90},
            ["sooner with a mirror first (setMirror: every request is seen by both), or margin.negligible"],
        ),
        (
            gate("accuracy", "sequential-proportion"),
            5,
            {"verdict": "NoData"},
            ["labels sent to /feedback, more weight", "margins"],
        ),
        (
            gate("ceiling", "threshold", signal="errors", min_samples=9),
            5,
            {"verdict": "Inconclusive", "needs": 3},
            ["minSamples"],
        ),
        (gate("ceiling", "threshold", signal="errors"), 5, {"verdict": "Inconclusive", "candidate": {"n": 9}}, []),
        (gate(), 5, {"verdict": "Successful", "needs": 0}, []),
    ],
)
def test_a_gate_that_cannot_tell_says_what_would_help_and_one_that_can_does_not(one, weight: int, row, expected) -> None:
    status = {"stable": version("7"), "candidate": version("8"), "canary_weight": weight, "current_step_index": 0}
    evidence = [{"metric": one.name, "message": "812 of about 1,900 candidate requests needed, at this rate 40m", **row}]
    progressing_now = condition(ConditionType.PROGRESSING, Reason.SHIFTING_TRAFFIC)
    fields = {**status, "evidence": evidence, "conditions": [progressing_now]}
    shown = rollout(gates=[one], status=ModelRolloutStatus.model_validate(fields))
    notes = view.lacking(shown)
    assert len(notes) == bool(expected)
    for text in expected:
        assert notes[0].startswith(f"{one.name}: 812 of about 1,900 candidate requests needed, at this rate 40m; sooner with ")
        assert text in notes[0]
        assert any(text in line for line in sentences(shown))


def test_explain_ends_with_what_a_person_can_do() -> None:
    one = progressing(conditions=[condition(ConditionType.ROLLED_BACK, Reason.GATE_REFUSED, "accuracy: 12 of 40 wrong")])
    lines = sentences(one)
    assert "RolledBack: GateRefused, accuracy: 12 of 40 wrong" in lines
    assert lines[-1] == "The version stays refused until: kanarya rollout retry iris -n kanarya, or a newer challenger."


def test_explain_of_a_rollout_that_nobody_looked_at_asks_whether_the_controller_runs() -> None:
    assert sentences(rollout()) == [
        "iris: the controller has not looked at it yet. Is it running? See: kubectl -n kanarya logs deploy/rollout"
    ]


def test_a_condition_in_which_every_gate_speaks_has_a_line_for_each() -> None:
    one = progressing(
        conditions=[condition(ConditionType.PROMOTED, Reason.GATES_AGREED, "error-rate: 0 of 9; accuracy: 8 of 9")]
    )
    assert sentences(one)[1:4] == ["Promoted: GatesAgreed", "  error-rate: 0 of 9", "  accuracy: 8 of 9"]


def test_a_version_that_stays_warm_is_shown_with_the_way_back_and_what_ends_it() -> None:
    since = datetime.now().astimezone().replace(hour=13, minute=55)
    one = rollout(
        status=ModelRolloutStatus.model_validate({"stable": version("8"), "warm": version("7"), "warm_since": since}),
        rollback_window="10m",
    )
    way_back = "Version 7 stays warm until 14:05; `kanarya rollout undo iris` goes back to it"
    assert way_back in printed(view.rollout(one))
    assert sentences(one)[1:] == [
        f"{way_back}. A new challenger ends that sooner: the former champion leaves before it starts."
    ]


def test_a_mirror_is_shown_and_explained_with_what_it_cannot_tell() -> None:
    rows = [Evidence(metric="error-rate", candidate=Tally(n=40), verdict="Inconclusive"), Evidence(metric="accuracy")]
    accuracy = gate("accuracy", "sequential-proportion", margin={"tolerate": "0", "refuse": "-0.1"}, min_samples=50)
    one = progressing(canary_weight=0, canary_mirror=100, evidence=rows).model_copy(
        update={
            "spec": rollout(
                gates=[gate(min_samples=300), accuracy], steps=[{"setMirror": {"percentage": 100}}, {"pause": {}}, *weights(5)]
            ).spec
        }
    )
    copies = "v8 gets copies of 100 % of them, and its answers reach nobody"
    assert copies in printed(view.rollout(one))
    assert "0 %, copies 100 %" in printed(view.listing([one]))
    lines = sentences(one)
    assert lines[0] == f"iris: v7 gets 100 %, v8 gets 0 %; {copies}; step 2 of 3: pause until promoted."
    assert "accuracy: copies tell it nothing; it begins to count with the first setWeight." in lines
    assert [line for line in lines if "this step has" in line] == [
        "error-rate: this step has 0 of the 300 observations it waits for."
    ]


def test_versions_in_quarantine_are_shown_and_explained_with_the_way_out() -> None:
    kept = [{"version": number, "reason": "GateRefused", "since": NOW} for number in ("5", "6")]
    idle = {"type": "Progressing", "status": "False", "reason": "Quarantined", "message": "version 6 is in quarantine"}
    one = rollout(
        status=ModelRolloutStatus.model_validate(
            {"stable": version("7"), "quarantine": kept, "conditions": [{**idle, "last_transition_time": NOW}]}
        )
    )
    line = "In quarantine until `kanarya rollout retry iris`: 6 (GateRefused), 5 (GateRefused)"
    assert line in printed(view.rollout(one))
    assert sentences(one)[1:] == ["Version 6 is in quarantine.", f"{line}."]


def test_what_was_seen_since_a_promotion_is_explained_while_there_is_a_way_back() -> None:
    row = {"metric": "error-rate", "verdict": "Inconclusive", "message": "0.2% of 500 requests failed since the promotion"}
    fields = {"stable": version("8"), "since_promotion": [row], "warm": version("7"), "warm_since": NOW}
    assert f"error-rate: {row['message']}." in sentences(rollout(status=ModelRolloutStatus.model_validate(fields)))
    assert row["message"] not in " ".join(
        sentences(rollout(status=ModelRolloutStatus.model_validate({**fields, "warm": None})))
    )


def test_of_an_ab_test_the_page_and_explain_show_the_difference_with_its_interval() -> None:
    test = {"sticky": {"header": "x-user-id"}, "goal": {"name": "purchase", "minimumEffect": "0.01"}}
    row = Evidence(
        metric="purchase",
        candidate=Tally(n=812, bad=700, mean="0.1379"),
        stable=Tally(n=800, bad=700, mean="0.125"),
        interval=Interval(difference="0.0129", low="-0.03", high="0.05", level="0.95"),
        verdict="Inconclusive",
        needs=4000,
        message="13.79 % of 812 users reached it: +1.29 points (-3 to +5 at 95 %)",
    )
    one = progressing(evidence=[row]).model_copy(update={"spec": rollout(strategy={"ab_test": test}).spec})
    page, lines = printed(view.rollout(one)), explain.sentences(one, options="", controller=lambda: "")
    assert "A/B test on purchase" in page
    assert "purchase: 13.79 % of 812 users reached it: +1.29 points (-3 to +5 at 95 %)" in page
    assert "purchase: Inconclusive. 13.79 % of 812 users reached it: +1.29 points (-3 to +5 at 95 %)" in lines
    assert "purchase: sooner with a split nearer to half, users who are reported sooner, or a larger minimumEffect." in lines
