"""The Gateways that carry the traffic. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from kanarya_cli.doctor.finding import Finding, fine, unknown, wrong
from kanarya_cli.doctor.seen import Answer
from kanarya_contracts.rollout import ModelRollout

USUAL = "kserve/kserve-ingress-gateway"
"""The one that KServe's documents make; looked at where no rollout names another."""

NEEDED = ("Accepted", "Programmed")
"""Conditions of a Gateway that carries traffic. Gateway API, `GatewayConditionType`."""


def named(rollouts: Iterable[ModelRollout]) -> tuple[str, ...]:
    """`namespace/name` of those that rollouts name."""
    refs = [one.spec.traffic.gateway_ref for one in rollouts if one.spec.traffic.driver == "gateway"]
    return tuple(sorted({f"{ref.namespace}/{ref.name}" for ref in refs if ref is not None})) or (USUAL,)


def findings(gateways: Mapping[str, Answer]) -> Iterator[Finding]:
    """A Gateway each."""
    for name, answer in gateways.items():
        yield gateway(name, answer)


def gateway(name: str, answer: Answer) -> Finding:
    """Whether it is there and its controller has programmed it."""
    subject = f"Gateway {name}"
    space, _, short = name.partition("/")
    if answer.denied or answer.failed:
        return unknown(subject, answer.denied or answer.failed)
    if answer.document is None:
        return wrong(subject, "is not there", "make it, or name another in spec.traffic.gatewayRef of the rollouts")
    said = {one["type"]: one for one in answer.document.get("status", {}).get("conditions", ())}
    for kind in NEEDED:
        one = said.get(kind, {})
        if one.get("status") != "True":
            why = ": ".join(filter(None, (one.get("reason", ""), one.get("message", "")))) or "no controller says so"
            advice = f"see: kubectl -n {space} describe gateway {short}, and whether the controller of its class runs"
            return wrong(subject, f"is not {kind}: {why}", advice)
    at = ", ".join(str(one.get("value")) for one in answer.document["status"].get("addresses", ()))
    return fine(subject, f"programmed{at and f' at {at}'}")
