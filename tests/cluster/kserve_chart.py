"""Fits a copy of KServe's chart to a machine without cert-manager and kube-rbac-proxy. Called by `platform install`:
`kserve_chart.py CHART CA`, where CA is the webhook's certificate authority in base64."""

import re
import sys
from pathlib import Path
from typing import Any

import yaml


def main(chart: str, authority: str) -> None:
    for file in ("templates/common/certmanager.yaml", "files/kserve/certificate-patch.yaml"):
        (Path(chart) / file).unlink()
    resources = Path(chart) / "files/kserve/resources.yaml"
    objects = [one for one in yaml.safe_load_all(resources.read_text(encoding="utf-8")) if one["kind"] != "Certificate"]
    for one in objects:
        _trust(one, authority)
        _unguard(one)
    resources.write_text(yaml.safe_dump_all(objects, sort_keys=False), encoding="utf-8")
    patch = Path(chart) / "files/kserve/deployment-patch.yaml"  # a template, so text
    without = re.sub(
        r" *- name: kube-rbac-proxy\n.*?(?= *- name: manager\n)", "", patch.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    patch.write_text(without, encoding="utf-8")


def _trust(one: dict[str, Any], authority: str) -> None:
    for hook in one.get("webhooks", ()):
        hook["clientConfig"]["caBundle"] = authority


def _unguard(one: dict[str, Any]) -> None:
    if one["kind"] == "Deployment":
        pod = one["spec"]["template"]["spec"]
        pod["containers"] = [container for container in pod["containers"] if container["name"] != "kube-rbac-proxy"]


if __name__ == "__main__":
    main(*sys.argv[1:])
