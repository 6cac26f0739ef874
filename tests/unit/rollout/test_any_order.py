"""Any order of events, kills, edits and clock jumps: what must hold does, and there is always a way back to the champion."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kanarya_contracts.names import Verb
from kanarya_rollout.testing import ACCURACY, ERRORS, Quality, Simulation, a_rollout

STEPS = [
    {"setMirror": {"percentage": 100}},
    {"setWeight": 10},
    {"pause": {}},
    {"setWeight": 50},
    {"analysis": {"until": ["accuracy"]}},
    {"setWeight": 80},
]
GATES = [{**ERRORS, "minSamples": 10, "margin": {"tolerate": "1.2", "refuse": "2.0", "negligible": "0.1"}}, ACCURACY]
SPLIT = {"name": "split", "test": "sample-ratio"}
SPECS = (GATES, [*GATES, SPLIT], [{**GATES[0], "alpha": "0.001"}, ACCURACY], [GATES[0]])
"""What the gates may be edited to in mid-rollout; a step waits for accuracy where there is such a gate."""
WEIGHTS = {0: 0, 1: 10, 2: 10, 3: 50, 4: 50, 5: 80, 6: 100}
"""Step → the most it allows; 100 only after the last, when it is promoted."""
VERSIONS = ("1", "2", "3", "4")


ALWAYS = [{"reason": "every hour of every day"}]


def spec(gates, freeze=()):
    named = {one["name"] for one in gates}
    steps = [step if "accuracy" in named or "analysis" not in step else {"pause": {"duration": "1s"}} for step in STEPS]
    return a_rollout(
        steps=steps, metrics=gates, deadline="10m", progressDeadlineSeconds=60, rollbackWindow="40s", freeze=freeze
    )


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = Simulation(spec(GATES))
        self.gates = GATES
        self.frozen = False
        for version in VERSIONS:
            self.world.registry.register(version)
        self.world.registry.aliases["champion"] = "1"

    @initialize()
    def a_challenger(self) -> None:
        self.world.until(lambda status: status.stable is not None)
        self.world.registry.aliases["challenger"] = "2"

    @rule(requests=st.sampled_from([0, 1, 20, 300]), seconds=st.sampled_from([0.25, 1, 7]))
    def passes(self, requests: int, seconds: float) -> None:
        for _ in range(3):
            self.step(requests, seconds)

    @rule(requests=st.sampled_from([100, 300]))
    def a_quiet_while(self, requests: int) -> None:
        for _ in range(12):
            self.step(requests, 1)

    @rule(requests=st.sampled_from([100, 300]))
    def a_patient_person(self, requests: int) -> None:
        self.world.ask(Verb.PROMOTE)
        for _ in range(8):
            self.step(requests, 1)

    @rule(moment=st.integers(0, 7))
    def killed(self, moment: int) -> None:
        self.world.fuse.at = self.world.fuse.moments + moment
        for _ in range(4):
            self.step(100, 1)
        self.world.fuse.at = None

    @rule(moment=st.integers(0, 7), delay=st.integers(0, 3))
    def undone(self, moment: int, delay: int) -> None:
        """A promotion, whatever the gates say, is taken back; the controller dies meanwhile."""
        self.world.ask(Verb.PROMOTE, full=True)
        for _ in range(6):
            self.step(10, 1)
        self.world.traffic.delay = delay
        self.world.fuse.at = self.world.fuse.moments + moment
        self.world.ask(Verb.UNDO)
        for _ in range(6):
            self.step(10, 1)
        self.world.fuse.at = None

    @rule(gates=st.sampled_from(SPECS))
    def edited(self, gates) -> None:
        self.gates = gates
        self.world.store.put(spec(gates))
        self.frozen = False
        self.step(100, 1)

    @rule(passes=st.integers(1, 5))
    def freezes(self, passes: int) -> None:
        self.frozen = True
        self.world.store.put(spec(self.gates, ALWAYS))
        for _ in range(passes):
            self.step(300, 1)

    @rule(passes=st.integers(1, 5))
    def inputs_drift(self, passes: int) -> None:
        self.world.metrics.drift = dict.fromkeys(VERSIONS, ("petal_length",))
        self.step(300, 1)  # counters may be younger than the alert
        for _ in range(passes):
            before = self.world.status
            self.step(300, 1)
            after = self.world.status
            asked = after.last_request_id != before.last_request_id
            if after.canary_weight > before.canary_weight and not asked:
                assert (after.canary_weight, after.condition("Promoted").reason) == (100, "PromotedInRegistry")
        self.world.metrics.drift = {}

    @rule()
    def thaws(self) -> None:
        self.frozen = False
        self.world.store.put(spec(self.gates))

    @rule(share=st.sampled_from([0, 50]), passes=st.integers(1, 5))
    def requests_do_not_follow_the_gateway(self, share: int, passes: int) -> None:
        status = self.world.status
        if status.canary_weight:
            self.world.drawn = {status.stable.version: 100 - share, status.candidate.version: share}
        for _ in range(passes):
            self.step(300, 1)
        self.world.drawn = None

    @rule(version=st.sampled_from(VERSIONS))
    def challenged(self, version: str) -> None:
        if version in self.world.registry.versions:
            self.world.registry.aliases["challenger"] = version

    @rule()
    def withdrawn(self) -> None:
        self.world.registry.aliases.pop("challenger", None)

    @rule(version=st.sampled_from(VERSIONS), passes=st.integers(0, 3))
    def champion_moved(self, version: str, passes: int) -> None:
        if version in self.world.registry.versions:
            self.world.registry.aliases["champion"] = version
            for _ in range(passes):
                self.step(10, 1)

    @rule(passes=st.integers(0, 3))
    def champion_missing(self, passes: int) -> None:
        champion = self.world.registry.aliases.pop("champion", "1")
        for _ in range(passes):
            self.step(100, 1)
        self.world.registry.aliases["champion"] = champion

    @rule(version=st.sampled_from(["3", "4"]))
    def version_deleted(self, version: str) -> None:
        if version in self.world.registry.versions and version != self.world.registry.aliases["champion"]:
            self.world.registry.delete(version)

    @rule(version=st.sampled_from(VERSIONS), errors=st.sampled_from([0, 0, 0.01, 0.5]), wrong=st.sampled_from([0, 0, 0.6]))
    def behaves(self, version: str, errors: float, wrong: float) -> None:
        self.world.quality[version] = Quality(errors=errors, wrong=wrong)

    @rule(
        version=st.sampled_from(VERSIONS),
        how=st.sampled_from(["starting", "refused", "failed", "wrong-example"]),
        passes=st.integers(0, 5),
    )
    def server(self, version: str, how: str, passes: int) -> None:
        self.world.serving.behaviour[version] = how
        if how == "failed" and version in self.world.serving.processes:
            self.world.serving.crash(version)
        for _ in range(passes):
            self.step(100, 1)
        self.world.serving.behaviour[version] = "ready"

    @rule(port=st.sampled_from(["registry", "metrics", "traffic", "serving"]), passes=st.integers(1, 5))
    def outage(self, port: str, passes: int) -> None:
        getattr(self.world, port).reachable = False
        for _ in range(passes):
            self.step(100, 1)
        getattr(self.world, port).reachable = True

    @rule(delay=st.integers(0, 4))
    def gateway_is_slow(self, delay: int) -> None:
        self.world.traffic.delay = delay

    @rule(verb=st.sampled_from(list(Verb)), full=st.booleans())
    def asked(self, verb: Verb, full: bool) -> None:
        self.world.ask(verb, full=full)
        self.step(10, 1)

    @rule(seconds=st.sampled_from([-3600, -5, 30, 700]))
    def clock_jumps(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule(taken_back=st.booleans())
    def someone_writes_the_route(self, taken_back: bool) -> None:
        self.world.traffic.foreign = True
        self.step(100, 1)
        self.step(100, 1)
        if taken_back:
            self.world.ask(Verb.RESUME)
            self.step(100, 1)
        self.world.traffic.foreign = False

    def step(self, requests: int, seconds: float) -> None:
        """A pass, and what must hold between the status before it and after."""
        before, written = self.world.status, len(self.world.store.history)
        moves = {"champion": self.world.registry.aliases.get("champion")}
        self.world.tick_or_die(seconds=seconds, requests=requests)
        for after in self.world.store.history[written:]:
            self.no_promotion_without_every_gate(before, after)
            self.quarantine_ends_by_a_persons_word(before, after)
            self.nothing_moves_on_while_it_is_frozen(before, after)
            before = after
        if before.current_step_index is None and before.retiring is None:
            assert before.canary_weight == 0
        now = self.world.registry.aliases.get("champion")
        if now != moves["champion"]:  # moved by the controller: to a candidate that has everything already
            assert self.world.traffic.now == {**dict.fromkeys(self.world.traffic.now, 0), now: 100}

    def no_promotion_without_every_gate(self, before, after) -> None:
        pending = after.condition("Progressing")
        begins = pending is not None and pending.reason == "Promoting" and pending.status == "True"
        was = before.condition("Progressing")
        if not begins or (was is not None and was.reason == "Promoting"):
            return
        reason = after.condition("Promoted").reason
        assert reason in {"GatesAgreed", "PromotedByRequest", "PromotedInRegistry"}
        if reason == "GatesAgreed":
            assert [one.metric for one in after.evidence] == [one["name"] for one in self.gates]
            assert {one.verdict for one in after.evidence} == {"Successful"}

    def quarantine_ends_by_a_persons_word(self, before, after) -> None:
        left = {one.version for one in before.quarantine} - {one.version for one in after.quarantine}
        by_registry = {after.stable.version} if after.stable is not None else set()
        if left - by_registry:
            assert after.last_request_id != before.last_request_id  # a retry

    def nothing_moves_on_while_it_is_frozen(self, before, after) -> None:
        if not self.frozen:
            return
        assert after.started_at == before.started_at
        if after.canary_weight > before.canary_weight:
            assert (after.canary_weight, after.condition("Promoted").reason) == (100, "PromotedInRegistry")

    @invariant()
    def nobody_in_quarantine_serves_or_is_on_its_way(self) -> None:
        status = self.world.status
        kept = {one.version for one in status.quarantine}
        if status.stable is not None:
            assert status.stable.version not in kept
        if status.current_step_index is not None:
            assert status.candidate.version not in kept

    @invariant()
    def weight_never_more_than_the_step_allows(self) -> None:
        status = self.world.status
        if status.current_step_index is None:
            assert status.canary_weight == 0
        else:
            assert status.canary_weight <= WEIGHTS[status.current_step_index]
            if status.canary_weight == 100:
                assert status.condition("Progressing").reason == "Promoting"

    @invariant()
    def copies_are_made_for_a_candidate_without_weight_alone(self) -> None:
        status, asked = self.world.status, self.world.traffic.asked_copies
        assert not (status.canary_mirror and status.canary_weight)
        if status.current_step_index is None:
            assert status.canary_mirror == 0
            assert asked is None  # a rollback tells the gateway first, a promotion waits for it
        if asked is not None:
            assert (asked.version, asked.percent) == (status.candidate.version, 100)

    @invariant()
    def no_request_is_evidence_twice(self) -> None:
        status = self.world.status
        for one in status.evidence if status.candidate is not None else ():
            if one.metric in {"error-rate", "split"}:
                assert one.candidate.n <= self.world.answered[status.candidate.version]

    @invariant()
    def gateway_never_gives_a_candidate_more_than_the_status_says(self) -> None:
        status, asked = self.world.status, self.world.traffic.asked
        champions = {ref.version for ref in (status.stable, status.warm, status.retiring) if ref is not None}
        if status.is_true("RolledBack") and status.candidate is not None and status.candidate.version != status.stable.version:
            champions.discard(status.candidate.version)  # it retires as well, and never with weight
        on_its_way = status.candidate.version if status.current_step_index is not None else None
        for version, share in asked.items():
            if version not in champions:
                assert share <= (status.canary_weight if version == on_its_way else 0)

    @invariant()
    def whatever_the_gateway_was_given_runs_or_was_ended_by_others(self) -> None:
        for version, share in self.world.traffic.asked.items():
            gone = self.world.serving.behaviour.get(version, "ready") in {"failed", "refused"}
            if share and not gone and self.world.status.stable is not None:
                assert version in self.world.serving._wanted

    @invariant()
    def what_is_warm_was_champion_before_the_one_that_was_promoted(self) -> None:
        status = self.world.status
        if status.warm is not None:
            assert status.is_true("Promoted")
            assert status.stable == status.candidate
            assert status.warm.version != status.stable.version
            assert (status.current_step_index, status.retiring) == (None, None)

    @invariant()
    def never_both_promoted_and_rolled_back(self) -> None:
        status = self.world.status
        assert not (status.is_true("Promoted") and status.is_true("RolledBack"))

    @rule()
    def there_is_always_a_way_back(self) -> None:
        """All is well again, a person takes the candidate back: the champion of the registry has everything."""
        world = self.world
        world.traffic.delay = 0
        world.registry.aliases.pop("challenger", None)
        for _ in range(30):
            world.tick(seconds=2, requests=0)
        champion = world.registry.aliases["champion"]
        assert world.status.stable.version == champion
        assert {version: share for version, share in world.traffic.now.items() if share} == {champion: 100}
        assert set(world.serving.processes) == {champion}
        assert not world.status.is_true("Degraded")
        assert not world.status.is_true("Progressing")


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=settings.default.max_examples // 5, stateful_step_count=20, deadline=None)
