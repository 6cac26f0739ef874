"""Every release is upgraded from the previous charts, with other values, while clients ask: no request is lost."""

from pathlib import Path
from typing import Any

from e2e_kube import eventually
from e2e_traffic import Traffic

ROOT = Path(__file__).parents[2]


def test_an_upgrade_of_what_stands_around_the_models_loses_no_request(
    kube: Any, traffic: Any, report: Any, calm: str, previous_charts: Path
) -> None:
    for charts, level in ((previous_charts, "DEBUG"), (ROOT / "helm", "INFO")):
        kube.run("apply", "--server-side", "--force-conflicts", "-f", str(charts / "rollout/crds"))
        for chart, value in (
            ("rollout", f"logLevel={level}"),
            ("platform", f"mlflow.extraEnv[0].name=E2E,mlflow.extraEnv[0].value={level}"),
            ("monitoring", "interval=1s"),
        ):
            kube.helm("upgrade", chart, str(charts / chart), "--set", value, "--wait", "--timeout", "180s")

    eventually(traffic.answers, "clients were answered")
    traffic.stop()
    report.add(
        **{"upgrade of platform, rollout, monitoring": {"requests": len(traffic.answers()), "lost": len(traffic.lost())}}
    )
    assert traffic.lost() == []


def test_an_upgrade_of_a_model_replaces_its_pods_and_loses_no_request(
    kube: Any, report: Any, petals: str, tmp_path: Path
) -> None:
    before = {pod["metadata"]["uid"] for pod in pods(kube)}

    with Traffic(tmp_path, model=petals, host="petals.example.com") as traffic:
        kube.helm("upgrade", "petals", str(ROOT / "helm/model"), "-f", str(Path(__file__).with_name("petals.yaml")),
                  "--set", "runtime.drainSeconds=8")  # fmt: skip
        eventually(
            lambda: len(pods(kube)) == 2 and not {pod["metadata"]["uid"] for pod in pods(kube)} & before, "both pods are new"
        )
    report.add(**{"upgrade of a model": {"requests": len(traffic.answers()), "lost": len(traffic.lost())}})
    assert traffic.lost() == []


def pods(kube: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kube.get("pods", "-l", "serving.kserve.io/inferenceservice=petals")
    return found
