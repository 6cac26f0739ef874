"""An A/B test in any order of events, kills and edits: users are told apart whenever they are split, and nothing is promoted
that its goal and every gate do not speak for."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kanarya_contracts.names import Verb
from kanarya_rollout.testing import ERRORS, Quality, Simulation, a_rollout

GATE = {**ERRORS, "minSamples": 10, "margin": {"tolerate": "1.2", "refuse": "2.0", "negligible": "0.1"}}
SPLITS = (1, 30, 50, 79)
RIVAL = {"alias": "bold", "split": 20}
VERSIONS = ["1", "2", "3", "4"]
VERBS = [verb for verb in Verb if verb is not Verb.UNDO]


def spec(split: int, on_winner: str, on_no_difference: str, rivals=()):
    test = {
        "split": split,
        "rivals": list(rivals),
        "sticky": {"header": "x-user-id"},
        "goal": {"name": "purchase", "minimumEffect": "0.2"},
        "onWinner": on_winner,
        "onNoDifference": on_no_difference,
    }
    return a_rollout(strategy={"abTest": test}, metrics=[GATE], deadline="10m", progressDeadlineSeconds=60)


class AnyOrderOfUsers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.no_difference = "rollback"
        self.world = Simulation(spec(50, "promote", self.no_difference))
        for version in VERSIONS:
            self.world.registry.register(version)
        self.world.registry.aliases["champion"] = "1"

    @initialize(rivals=st.sampled_from([[], [RIVAL]]))
    def a_challenger(self, rivals) -> None:
        self.world.store.put(spec(50, "promote", self.no_difference, rivals))
        self.world.until(lambda status: status.stable is not None)
        self.world.registry.aliases |= {"challenger": "2", "bold": "3"}

    @rule(requests=st.sampled_from([0, 1, 20, 300]), passes=st.integers(1, 12))
    def passes(self, requests: int, passes: int) -> None:
        for _ in range(passes):
            self.step(requests)

    @rule(moment=st.integers(0, 7))
    def killed(self, moment: int) -> None:
        self.world.fuse.at = self.world.fuse.moments + moment
        for _ in range(4):
            self.step(100)
        self.world.fuse.at = None

    @rule(
        split=st.sampled_from(SPLITS),
        on_winner=st.sampled_from(["promote", "pause"]),
        on_no_difference=st.sampled_from(["rollback", "pause", "promote"]),
        rivals=st.sampled_from([[], [RIVAL]]),
    )
    def edited(self, split: int, on_winner: str, on_no_difference: str, rivals) -> None:
        self.no_difference = on_no_difference
        self.world.store.put(spec(split, on_winner, on_no_difference, rivals))
        self.step(100)

    @rule(
        version=st.sampled_from(VERSIONS),
        reached=st.sampled_from([0.2, 0.5, 0.5, 0.9]),
        errors=st.sampled_from([0, 0, 0.5]),
    )
    def behaves(self, version: str, reached: float, errors: float) -> None:
        self.world.quality[version] = Quality(reached=reached, errors=errors)

    @rule(version=st.sampled_from(VERSIONS), alias=st.sampled_from(["challenger", "bold", "champion"]))
    def named(self, version: str, alias: str) -> None:
        self.world.registry.aliases[alias] = version

    @rule(version=st.sampled_from(VERSIONS[1:]), passes=st.integers(0, 5))
    def server_dies(self, version: str, passes: int) -> None:
        self.world.serving.behaviour[version] = "failed"
        if version in self.world.serving.processes:
            self.world.serving.crash(version)
        for _ in range(passes):
            self.step(100)
        self.world.serving.behaviour[version] = "ready"

    @rule(port=st.sampled_from(["registry", "metrics", "traffic"]), delay=st.integers(0, 3))
    def outage(self, port: str, delay: int) -> None:
        getattr(self.world, port).reachable = False
        self.step(100)
        getattr(self.world, port).reachable = True
        self.world.traffic.delay = delay

    @rule(verb=st.sampled_from(VERBS), full=st.booleans())
    def asked(self, verb: Verb, full: bool) -> None:
        self.world.ask(verb, full=full)
        self.step(10)

    def step(self, requests: int) -> None:
        written = len(self.world.store.history)
        before = self.world.status
        self.world.tick_or_die(seconds=1, requests=requests)
        for after in self.world.store.history[written:]:
            self.promoted_for_a_reason(before, after)
            before = after

    def promoted_for_a_reason(self, before, after) -> None:
        now, was = after.condition("Progressing"), before.condition("Progressing")
        if now.reason != "Promoting" or (was is not None and was.reason == "Promoting"):
            return
        if after.condition("Promoted").reason == "GatesAgreed":
            verdicts = {one.metric: one.verdict for one in after.evidence}
            assert verdicts["error-rate"] == "Successful"
            assert verdicts["purchase"] in {"Successful", "NoDifference" if self.no_difference == "promote" else "Successful"}

    @invariant()
    def users_are_told_apart_whenever_they_are_split(self) -> None:
        asked, sticky = self.world.traffic.asked, self.world.traffic.sticky
        shared = {version for version, share in asked.items() if 0 < share < 100}
        if shared:
            zones = {zone.version: zone.first for zone in sticky.zones if zone.version is not None}
            assert len(shared - zones.keys()) == 1  # the champion
            assert shared & zones.keys() == shared - {self.world.status.stable.version}
            buckets = [bucket for one in zones for bucket in range(zones[one], zones[one] + asked.get(one, 0))]
            assert len(buckets) == len(set(buckets))
            assert set(zones) <= set(sticky.salt.removeprefix("iris/").split("+"))

    @invariant()
    def a_challenger_has_nobody_a_split_or_everybody(self) -> None:
        status = self.world.status
        assert status.canary_weight in {0, *SPLITS, RIVAL["split"], 100}
        assert all(one.canary_weight in {0, *SPLITS, RIVAL["split"]} for one in status.rivals)
        assert all(one.canary_weight == 0 for one in status.rivals if one.out is not None or status.canary_weight == 100)

    @invariant()
    def every_challenger_is_another_version(self) -> None:
        status = self.world.status
        if status.current_step_index is not None:
            versions = [status.stable.version, status.candidate.version, *(one.candidate.version for one in status.rivals)]
            assert len(versions) == len(set(versions))
            assert len({status.candidate_alias, *(one.alias for one in status.rivals)}) == len(versions) - 1

    @invariant()
    def no_user_is_evidence_twice(self) -> None:
        status = self.world.status
        judged = [(status.candidate, status.evidence)] if status.candidate is not None else []
        for ref, evidence in [*judged, *((one.candidate, one.evidence) for one in status.rivals)]:
            for one in evidence:
                if one.metric == "purchase":
                    assert one.candidate.n <= self.world.answered[ref.version]

    @invariant()
    def a_difference_is_said_only_with_its_interval(self) -> None:
        for one in self.world.status.evidence:
            if one.metric == "purchase" and one.verdict not in {"NoData", "Inconclusive"}:
                low, high = one.interval.low, one.interval.high
                said = {"Successful": low >= 0, "Failed": high <= 0, "NoDifference": low >= -0.2 and high <= 0.2}
                assert said[one.verdict]


TestAnyOrderOfUsers = AnyOrderOfUsers.TestCase
TestAnyOrderOfUsers.settings = settings(max_examples=settings.default.max_examples // 5, stateful_step_count=20, deadline=None)
