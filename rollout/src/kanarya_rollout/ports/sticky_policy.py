"""Keeps the policy that tells an A/B test's users apart in front of one rollout's route. Used by `gateway`.

Narrow first, wide when the gateway has taken it (`policy` says why); let go of when the rollout is none of A/B tests any more.
Nothing here may stand in the way of a route: what fails is said by `check` and tried again with the next pass.
"""

from pydantic import ValidationError

from kanarya_contracts.rollout import GatewayRef, ModelRollout
from kanarya_rollout.ports import Conflict, Unreachable, Unsupported
from kanarya_rollout.ports.api import KubernetesApi, Refused, collection
from kanarya_rollout.ports.httproute import name_of
from kanarya_rollout.ports.policy import ENVOY_GATEWAY_API, Policy, desired
from kanarya_rollout.sticky import Sticky


class StickyPolicy:
    """One rollout's."""

    def __init__(self, api: KubernetesApi, rollout: ModelRollout) -> None:
        self._api = api
        self._rollout = rollout
        space = rollout.metadata.namespace
        self._path = f"{collection(ENVOY_GATEWAY_API, space, 'envoyextensionpolicies')}/{name_of(rollout)}"
        self._wrong: Unreachable | None = None
        self._gone = False

    def check(self, gateway: GatewayRef) -> bool:
        """Whether the gateway tells the users of the whole route apart. Raises Unsupported where it refuses to, Unreachable
        where the policy could not be written."""
        if self._wrong is not None:
            raise self._wrong
        policy = self._read()
        if policy is None:
            return False
        verdict = policy.verdict(gateway)
        if verdict.state == "refused":
            place = f"Gateway {gateway.namespace}/{gateway.name}"
            raise Unsupported(f"{place} does not tell users apart: {self._path}: {verdict.message}")
        return verdict.state == "in force" and policy.wide

    def is_ready(self, sticky: Sticky, gateway: GatewayRef, *, splitting: bool) -> bool:
        """Whether it does so as is asked. `splitting`: users are split already, so that a gateway that is about to say again
        what it said before takes nobody's version away. Raises Unreachable."""
        policy = self._read()
        if policy is None or not policy.wide or not policy.says(sticky):
            return False
        state = policy.verdict(gateway).state
        return state == "in force" or (splitting and state == "pending")

    def place(self, sticky: Sticky, gateway: GatewayRef, *, service_uid: str, rule_is_known: bool) -> None:
        """Bring it as far as it may go now. `rule_is_known`: whether the gateway has the rule that it begins with."""
        self._gone = False
        try:
            policy = self._read()
            if policy is None and not rule_is_known:
                return
            state = policy.verdict(gateway).state if policy is not None else "pending"
            wide = policy is not None and policy.current and (state == "in force" or (state == "pending" and policy.wide))
            if policy is None or not policy.says(sticky) or policy.wide != wide:
                document = desired(self._rollout, sticky, wide=wide, service_uid=service_uid)
                self._api.apply(self._path, document, force=True)
            self._wrong = None
        except Refused as error:
            needed = "strategy.abTest needs the EnvoyExtensionPolicy of Envoy Gateway 1.9 or later"
            self._wrong = Unsupported(f"{needed}: {error}") if error.status == 404 else error
        except (Unreachable, Conflict) as error:
            self._wrong = Unreachable(str(error))

    def let_go(self) -> None:
        """Delete it, if it is there: asked once, and again until that was answered."""
        self._wrong = None
        if not self._gone:
            try:
                self._api.delete(self._path)
                self._gone = True
            except (Unreachable, Conflict):
                return  # a script that nobody asks does no harm; the next pass tries again

    def _read(self) -> Policy | None:
        found = self._api.get(self._path)
        try:
            return None if found is None else Policy.model_validate(found)
        except ValidationError as error:
            raise Unreachable(f"{self._path} is not an EnvoyExtensionPolicy that can be read: {error}") from None
