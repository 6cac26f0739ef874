"""What the documentation says is so: links lead somewhere, targets exist, the tree is the tree, generated pages are fresh."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from kanarya_contracts import artifact, metrics
from kanarya_contracts.names import ConditionType, Reason, Verb
from kanarya_contracts.problems import validated
from kanarya_contracts.rollout import ModelRollout
from kanarya_contracts.serving import InferenceService
from kanarya_contracts.testing import changed, contract, contract_document, rollout, rollout_document

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
MACHINE_WORDS = ["/" + "work/", "/" + "root/", "/" + "tmp/bash", "/" + "home/"]
"""Paths of somebody's machine, put together here so that this file does not hold what it looks for."""
AFTER_A_VARIABLE = r'(?<![\w}])(?<![\w}]")'
"""Not behind `$NAME`, `"$NAME"` or `${NAME}`: there it is a folder below another."""


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    """Targets of the page's links and pictures that are in this repository."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*\]\([^`\n]*`", "", prose(page)))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """Anchors of the page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code_blocks(language: str) -> list[tuple[str, str]]:
    """Page and content of every code block in that language."""
    block = re.compile(rf"^( *)```{language}\n(.*?)^\1```", flags=re.DOTALL | re.MULTILINE)
    return [(named(page), content) for page in PAGES for _, content in block.findall(page.read_text(encoding="utf-8"))]


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_there_are_pages_and_links_to_check() -> None:
    assert len(PAGES) >= 10
    assert sum(len(links(page)) for page in PAGES) >= 30


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    dead = []
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            dead.append(target)
    assert dead == []


def test_every_make_target_that_is_mentioned_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    mentioned = set(re.findall(r"(?:`|^ *(?:\$ )?)make ([a-z][a-z0-9-]*)", text, flags=re.MULTILINE))
    assert {"demo", "test"} <= mentioned
    assert mentioned - targets == set()


def test_every_metric_condition_reason_and_verb_is_in_the_reference() -> None:
    reference = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs/reference").glob("*.md"))
    exposed = [value for name, value in vars(metrics).items() if name.isupper() and str(value).startswith("kanarya_")]
    words = [*exposed, *ConditionType, *Reason, *Verb]
    assert len(words) >= 40
    assert [word for word in words if not re.search(rf"(`|### ){re.escape(word)}\b", reference)] == []


def test_no_key_of_the_crd_is_a_truth_value_to_kubectl() -> None:
    keys = re.findall(r"^ *(\w+):", (ROOT / "helm/rollout/crds/modelrollouts.kanarya.dev.yaml").read_text(), flags=re.MULTILINE)
    assert len(keys) > 300
    assert {key for key in keys if key.lower() in {"y", "n", "yes", "no", "on", "off"}} == set()


def test_generated_files_are_what_the_code_makes_now() -> None:
    run = subprocess.run([sys.executable, ROOT / "scripts/generate", "--verify"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_folders_of_the_architecture_page_are_the_folders_there_are() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*/`) \|", page, flags=re.MULTILINE)
    described = {folder for row in rows for folder in re.findall(r"`([\w-]+)/`", row)}
    there = {path.relative_to(ROOT).parts[0] for path in tracked() if len(path.relative_to(ROOT).parts) > 1}
    assert described >= {"contracts", "training-job", "model", "rollout", "cli"}
    assert described == {folder for folder in there if not folder.startswith(".")}


def test_the_import_names_of_the_architecture_page_are_the_packages_there_are() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    described = dict(re.findall(r"^\| `([\w-]+)/` \| `(kanarya_\w+)` \|", page, flags=re.MULTILINE))
    there = {path.parents[2].name: path.parent.name for path in ROOT.glob("*/src/*/__init__.py")}
    assert len(described) >= 5
    assert described == there


def test_no_tracked_file_knows_a_machine_or_a_package_host() -> None:
    hosts = ["files.python" + "hosted.org", "pypi" + ".org", "artifact" + "ory"]
    files = tracked()
    assert len(files) > 50
    found = []
    for path in files:
        text = path.read_text(encoding="utf-8", errors="ignore")
        found += [f"{named(path)}: {word}" for word in hosts if word in text]
        found += [f"{named(path)}: {word}" for word in MACHINE_WORDS if re.search(rf"{AFTER_A_VARIABLE}{word}", text)]
    assert found == []


def test_every_contract_that_is_shown_is_one_that_is_taken() -> None:
    shown = [(page, content) for page, content in code_blocks("json") if '"schemaVersion"' in content]
    assert shown
    for _, content in shown:
        artifact.parse(content.encode())


def test_every_rollout_and_service_that_is_shown_is_one_that_is_taken() -> None:
    kinds = {"ModelRollout": ModelRollout, "InferenceService": InferenceService}
    shown = [
        (page, document)
        for page, content in code_blocks("yaml")
        for document in yaml.safe_load_all(content)
        if isinstance(document, dict) and {"kind", "spec"} <= document.keys()
    ]
    assert shown
    for page, document in shown:
        validated(kinds[document["kind"]], document, source=page)


SCHEMAS = ROOT / "contracts/schema"


@pytest.mark.parametrize(
    ("name", "document", "path", "wrong"),
    [
        ("artifact-v1", json.loads(contract().dumps()), "inputs[0].minimum", "one"),
        ("artifact-v1", contract_document(), "runtime.formt", "onnx"),
        ("modelrollout-v1alpha1", json.loads(rollout().model_dump_json(by_alias=True, exclude_none=True)), "spec.trafic", {}),
        ("modelrollout-v1alpha1", rollout_document(), "spec.deadline", "soon"),
    ],
)
def test_the_published_schemas_take_what_the_code_takes_and_refuse_what_it_refuses(
    name: str, document: dict[str, object], path: str, wrong: object
) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(document)] == []
    assert not validator.is_valid(changed(document, path, wrong))
