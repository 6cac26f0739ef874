"""The YAML that Kubernetes gets, read for one machine. Called by `stack`.

Takes InferenceService and ModelRollout. Refuses what local mode cannot honour, with file, line and field, every problem in
every file at once; what makes no difference on one machine is a note.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from kanarya_cli.local import documents
from kanarya_cli.local.documents import Document
from kanarya_contracts import problems
from kanarya_contracts.names import API_VERSION
from kanarya_contracts.problems import InvalidInput, KanaryaError, Problem
from kanarya_contracts.rollout import ModelRollout
from kanarya_contracts.serving import InferenceService

MODEL_FORMAT = "kanarya"
"""The `modelFormat` that our ServingRuntime declares: an artifact with a kanarya.json."""

_SERVICE = ("serving.kserve.io/v1beta1", "InferenceService")
_ROLLOUT = (API_VERSION, "ModelRollout")

_HONOURED = {
    ("spec",): {"predictor"},
    ("spec", "predictor"): {"name", "minReplicas", "model"},
    ("spec", "predictor", "model"): {"modelFormat", "protocolVersion", "runtime", "storageUri", "env"},
}
"""Where in an InferenceService → the fields that local mode takes as they are meant."""

_NO_DIFFERENCE = {"annotations", "labels", "maxReplicas", "resources", "scaleMetric", "scaleTarget", "serviceAccountName"}
"""Fields about pods that change nothing where there are none."""

_Resource = TypeVar("_Resource", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Manifests:
    """What a person wants on this machine."""

    services: tuple[InferenceService, ...]
    """Each has a name of its own."""
    rollouts: tuple[ModelRollout, ...]
    """Each has a target of its own among `services`."""
    notes: tuple[str, ...]
    """What is taken otherwise than it is written, a sentence each."""


class InvalidManifests(KanaryaError):
    """At least one file has problems. `str()` lists all of them."""

    def __init__(self, inputs: Sequence[InvalidInput]) -> None:
        self.inputs = tuple(inputs)
        super().__init__("\n".join(str(one) for one in inputs))


def read(paths: Iterable[Path]) -> Manifests:
    """The resources in these files, and in the YAML files of these directories. Raises InvalidManifests."""
    reading = _Reading()
    for path in paths:
        for file in reading.files(path):
            reading.file(file)
    return reading.result()


@dataclass(kw_only=True)
class _Reading:
    """What was found so far, and what was wrong with it."""

    services: dict[str, InferenceService] = field(default_factory=dict)
    rollouts: dict[str, tuple[Document, ModelRollout]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    wrong: dict[str, list[Problem]] = field(default_factory=dict)
    """Source → its problems."""

    def files(self, path: Path) -> Iterator[Path]:
        if not path.is_dir():
            yield path
            return
        found = sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"})
        if not found:
            self._blame(str(path), Problem(path=(), message="has no .yaml file"))
        for file in found:
            if file.stem == "kustomization":
                self.notes.append(f"{file}: is not applied; the files beside it are taken as they stand")
            else:
                yield file

    def file(self, path: Path) -> None:
        try:
            found = documents.read(path)
        except InvalidInput as error:
            self._blame(error.source, *error.problems)
            return
        for document in found:
            self._document(document)

    def result(self) -> Manifests:
        self._targets()
        if self.wrong:
            raise InvalidManifests([InvalidInput(source, found) for source, found in self.wrong.items()])
        rollouts = tuple(rollout for _, rollout in self.rollouts.values())
        return Manifests(services=tuple(self.services.values()), rollouts=rollouts, notes=tuple(self.notes))

    def _document(self, document: Document) -> None:
        content = document.content
        kind = (content.get("apiVersion"), content.get("kind")) if isinstance(content, Mapping) else None
        if kind == _SERVICE:
            if (service := self._validated(InferenceService, document)) is not None:
                self._service(document, service)
        elif kind == _ROLLOUT:
            if (rollout := self._validated(ModelRollout, document)) is not None:
                self._rollout(document, rollout)
        else:
            known = " or ".join(f"{name} ({version})" for version, name in (_SERVICE, _ROLLOUT))
            got = f"{kind[1]} ({kind[0]})" if kind else "no resource"
            self._blame(document.source, document.problem(f"got {got}; local mode runs {known}", *(("kind",) if kind else ())))

    def _validated(self, model: type[_Resource], document: Document) -> _Resource | None:
        try:
            return problems.validated(model, document.content, source=document.source, line_of=document.line_of)
        except InvalidInput as error:
            self._blame(document.source, *error.problems)
            return None

    def _service(self, document: Document, service: InferenceService) -> None:
        name = service.metadata.name
        if name in self.services:
            self._blame(document.source, document.problem(f"got {name!r}, which is there already", "metadata", "name"))
        self.services[name] = service
        self._blame(document.source, *_fields(document), *_model(document, service))
        self.notes += [f"{document.source}: {note}" for note in _notes(document, service)]

    def _rollout(self, document: Document, rollout: ModelRollout) -> None:
        name = rollout.metadata.name
        if name in self.rollouts:
            self._blame(document.source, document.problem(f"got {name!r}, which is there already", "metadata", "name"))
        self.rollouts[name] = (document, rollout)

    def _targets(self) -> None:
        """What only the whole set shows: targets that are not there, or are shared."""
        owner: dict[str, str] = {}
        for document, rollout in self.rollouts.values():
            spec, name = rollout.spec, rollout.metadata.name
            target = document.problem("", "spec", "targetRef", "name")
            if spec.target_ref.name not in self.services:
                there = ", ".join(self.services) or "none"
                text = f"got {spec.target_ref.name!r}, but there is no such InferenceService; there are: {there}"
                self._blame(document.source, Problem(path=target.path, message=text, line=target.line))
            taken = [("targetRef", spec.target_ref.name), *(("hostname", host) for host in spec.traffic.hostnames)]
            for what, value in taken:
                if owner.setdefault(f"{what} {value}", name) != name:
                    text = f"{what} {value!r} is that of rollout {owner[f'{what} {value}']!r} already"
                    self._blame(document.source, Problem(path=("spec",), message=text, line=target.line))

    def _blame(self, source: str, *found: Problem) -> None:
        if found:
            self.wrong.setdefault(source, []).extend(found)


def _fields(document: Document) -> Iterator[Problem]:
    """Fields of an InferenceService that would do something on Kubernetes and nothing here."""
    for place, known in _HONOURED.items():
        for key in sorted(_mapping(document, *place).keys() - known - _NO_DIFFERENCE):
            yield document.problem("cannot be honoured on one machine; leave it out, or use a cluster", *place, key)


def _model(document: Document, service: InferenceService) -> Iterator[Problem]:
    place = ("spec", "predictor", "model")
    model = service.spec.predictor.model
    if (name := model.model_format.name) != MODEL_FORMAT:
        yield document.problem(f"got {name!r}, expected {MODEL_FORMAT!r}", *place, "modelFormat", "name")
    if model.protocol_version != "v2":
        yield document.problem(f"got {model.protocol_version!r}, expected 'v2'", *place, "protocolVersion")
    for index, variable in enumerate(model.env):
        if not isinstance(variable.get("name"), str) or not isinstance(variable.get("value"), str):
            text = f"got {sorted(variable)}, expected name and value, both text: there are no Secrets or ConfigMaps here"
            yield document.problem(text, *place, "env", index)


def _notes(document: Document, service: InferenceService) -> Iterator[str]:
    predictor = service.spec.predictor
    if predictor.min_replicas != 1:
        yield f"spec.predictor.minReplicas is {predictor.min_replicas}; local mode runs one server for each version"
    if predictor.model.storage_uri or predictor.name:
        yield "spec.predictor.name and model.storageUri are the controller's to set; the registry says what runs"
    for place in _HONOURED:
        for key in sorted(_mapping(document, *place).keys() & _NO_DIFFERENCE):
            yield f"{'.'.join((*place, key))} makes no difference on one machine"


def _mapping(document: Document, *place: str) -> Mapping[str, object]:
    here: object = document.content
    for key in place:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}
