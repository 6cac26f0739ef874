"""Everything is taken away again: what stays is what docs/how-to/install-and-remove.md says, and nothing else."""

import re
from pathlib import Path
from typing import Any

from e2e_kube import eventually

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/install-and-remove.md"

KINDS = (
    "configmaps,secrets,services,serviceaccounts,persistentvolumeclaims,deployments,statefulsets,jobs,cronjobs,pods,"
    "poddisruptionbudgets,networkpolicies,roles,rolebindings,leases,httproutes,inferenceservices,servingruntimes,modelrollouts,"
    "podmonitors,servicemonitors,prometheusrules"
)
CLUSTER_KINDS = "clusterroles,clusterrolebindings,customresourcedefinitions,clusterstoragecontainers,clusterservingruntimes"

OTHERS = re.compile(r"^(configmap/kube-root-ca\.crt|serviceaccount/default)$")
"""Kubernetes' own, in every namespace."""


def test_what_stays_is_what_the_page_says(kube: Any, petals: str, report: Any) -> None:
    kube.helm("uninstall", petals, "petals-1", "--wait")
    releases = kube.helm("list", "--short").split()
    kube.run("delete", "-k", str(ROOT / "manifests/iris"), "--ignore-not-found", "--wait")
    kube.helm("uninstall", *[one for one in ("iris", "monitoring", "rollout", "platform") if one in releases], "--wait")

    promised = documented()
    left = eventually(
        lambda: (found := leftovers(kube)) and (found if found <= promised else None),
        "only what is documented stays",
        seconds=90,
    )

    report.add(uninstall={"stays": sorted(left)})
    assert left == promised


def documented() -> set[str]:
    """`kind/name` of the page's table of what stays."""
    table = PAGE.read_text(encoding="utf-8").partition("## What stays")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([a-z]+/[-a-z0-9.]+)` \|", table, flags=re.MULTILINE))


def leftovers(kube: Any) -> set[str]:
    """Everything in the namespace but Kubernetes' own, and what is ours beside it."""
    inside = kube.run("get", KINDS, "-o", "name", "--ignore-not-found").split()
    outside = kube.run("get", CLUSTER_KINDS, "-o", "name", "--ignore-not-found").split()
    short = {
        re.sub(r"^([a-z]+)\.[-a-z0-9.]+/", r"\1/", one) for one in [*inside, *[one for one in outside if "kanarya" in one]]
    }
    return {one for one in short if not OTHERS.match(one)}
