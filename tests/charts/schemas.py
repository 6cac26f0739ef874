"""JSON Schemas for kubeconform, from what defines the kinds: Kubernetes' swagger.json and CustomResourceDefinitions.

    schemas.py DIRECTORY

Called by `tests/charts/run`. Everything comes as Go modules, whose checksums the Go command verifies. Strict: a field that the
schema does not have is an error.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = "k8s.io/kubernetes@v1.34.4"
DEFINITIONS = {
    "github.com/kserve/kserve@v0.20.0": "charts/kserve-crd/**/*.yaml",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd/*.yaml",
}
"""Module → the files in it that hold CustomResourceDefinitions."""


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's, which knows a lone `=` as a type of its own; in a list of operators it is a word."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))

_ALSO_NUMBERS = ("io.k8s.apimachinery.pkg.api.resource.Quantity", "io.k8s.apimachinery.pkg.util.intstr.IntOrString")
_EITHER = {"oneOf": [{"type": "string"}, {"type": "number"}]}


def main(target: Path) -> None:
    """Write a file for every kind."""
    target.mkdir(parents=True, exist_ok=True)
    for name, schema in [*builtin(), *custom()]:
        (target / name).write_text(json.dumps(schema), encoding="utf-8")


def module(name: str) -> Path:
    """The module's files."""
    said = subprocess.run(["go", "mod", "download", "-json", name], check=True, capture_output=True, text=True, cwd="/").stdout
    return Path(json.loads(said)["Dir"])


def file_name(kind: str, group: str, version: str) -> str:
    """As `tests/charts/run` tells kubeconform to look for it; the core's group is called by its version."""
    return f"{kind}-{group or version}-{version}.json".lower()


def builtin() -> Iterator[tuple[str, Any]]:
    """Kinds of Kubernetes itself; each with the definitions that it needs."""
    swagger = json.loads((module(KUBERNETES) / "api/openapi-spec/swagger.json").read_text(encoding="utf-8"))
    definitions = {name: _EITHER if name in _ALSO_NUMBERS else strict(part) for name, part in swagger["definitions"].items()}
    for name, part in swagger["definitions"].items():
        for kind in part.get("x-kubernetes-group-version-kind", []):
            needed = closure(definitions, name)
            schema = definitions[name] | {"definitions": {one: definitions[one] for one in needed}}
            yield file_name(kind["kind"], kind["group"], kind["version"]), schema


def closure(definitions: dict[str, Any], name: str) -> list[str]:
    """Names of the definitions that one leads to."""
    found, waiting = set(), [name]
    while waiting:
        text = json.dumps(definitions[waiting.pop()])
        new = {part.split('"', 1)[0] for part in text.split('"#/definitions/')[1:]} - found
        found |= new
        waiting += new
    return sorted(found)


def custom() -> Iterator[tuple[str, Any]]:
    """Kinds of others, and ours."""
    files = [path for name, pattern in DEFINITIONS.items() for path in module(name).glob(pattern)]
    for path in [*files, *ROOT.glob("helm/rollout/crds/*.yaml")]:
        text = path.read_text(encoding="utf-8")
        if "kind: CustomResourceDefinition" not in text or "{{" in text.split("spec:", 1)[0]:
            continue
        for document in yaml.load_all(text, Loader=Loader):
            spec = document["spec"]
            for version in spec["versions"]:
                schema = strict(version["schema"]["openAPIV3Schema"])
                schema["properties"] |= {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                }
                yield file_name(spec["names"]["kind"], spec["group"], version["name"]), schema


def strict(part: Any) -> Any:
    """The same, taking no field that it does not name."""
    if isinstance(part, list):
        return [strict(one) for one in part]
    if not isinstance(part, dict):
        return part
    made = {key: strict(value) for key, value in part.items() if key != "description" or isinstance(value, dict)}
    if part.get("x-kubernetes-int-or-string"):
        return _EITHER
    open_ended = part.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in part
    if isinstance(part.get("properties"), dict) and "type" in part and not open_ended:
        made["additionalProperties"] = False
    return made


if __name__ == "__main__":
    main(Path(sys.argv[1]))
