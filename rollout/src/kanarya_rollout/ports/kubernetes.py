"""ModelRollout objects in the API server. Adapter of the `store` port; called by the controller's loop and by the command.

A name is `namespace/name`. An object that the models of `contracts` refuse (an older CRD, one applied without schema) is a
KanaryaError for that object alone. Status is written through the status subresource under the version that was read, so two
controllers can never both go on from it.

A list brings the objects along. The first `get` after it is answered from there, so that a turn of the loop over rollouts
that rest is one call; what is old by a moment is refused at the write. A version of an object is parsed once.
"""

from collections.abc import Sequence
from urllib.parse import quote

from kanarya_contracts.names import ANNOTATION_REQUEST, API_VERSION
from kanarya_contracts.problems import InvalidInput, KanaryaError, one_line, validated
from kanarya_contracts.rollout import ModelRollout, ModelRolloutStatus, Request
from kanarya_rollout.ports.api import Document, KubernetesApi, collection

PLURAL = "modelrollouts"
"""The resource's name in paths."""


class KubernetesStore:
    """The rollouts of some namespaces."""

    def __init__(self, api: KubernetesApi, namespaces: Sequence[str] = ()) -> None:
        """`namespaces`: those that are watched; none means all, which needs a cluster role."""
        self._api = api
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._listed: dict[str, Document] = {}
        self._parsed: dict[str, tuple[str, ModelRollout]] = {}

    def names(self) -> tuple[str, ...]:
        """Every rollout, as `namespace/name`, sorted."""
        found = [one for space in self._namespaces for one in self._api.items(collection(API_VERSION, space, PLURAL))]
        self._listed = {f"{one['metadata']['namespace']}/{one['metadata']['name']}": one for one in found}
        return tuple(sorted(self._listed))

    def get(self, name: str) -> tuple[ModelRollout, str] | None:
        """As the port says. Raises InvalidInput for an object that is not one of ours any more."""
        found = self._listed.pop(name, None) or self._api.get(_path(name))
        if found is None:
            self._parsed.pop(name, None)
            return None
        version = f"{found['metadata'].get('uid', '')}/{found['metadata']['resourceVersion']}"
        if self._parsed.get(name, ("",))[0] != version:
            self._parsed[name] = (version, _parsed(name, found))
        return self._parsed[name][1], str(found["metadata"]["resourceVersion"])

    def write_status(self, name: str, status: ModelRolloutStatus, *, resource_version: str) -> str:
        """As the port says."""
        space, _, short = name.rpartition("/")
        body = {
            "apiVersion": API_VERSION,
            "kind": "ModelRollout",
            "metadata": {"name": short, "namespace": space, "resourceVersion": resource_version},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        return str(self._api.replace(f"{_path(name)}/status", body)["metadata"]["resourceVersion"])

    def request(self, name: str, request: Request) -> None:
        """As the port says. Raises KanaryaError if there is no such rollout."""
        text = request.model_dump_json(by_alias=True)
        written = self._api.merge(_path(name), {"metadata": {"annotations": {ANNOTATION_REQUEST: text}}})
        if written is None:
            raise KanaryaError(f"there is no rollout {name!r}; there are: {', '.join(self.names()) or 'none'}")


def _path(name: str) -> str:
    space, _, short = name.rpartition("/")
    return f"{collection(API_VERSION, space, PLURAL)}/{quote(short, safe='')}"


def _parsed(name: str, document: Document) -> ModelRollout:
    metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
    whole = {**document, "apiVersion": API_VERSION, "kind": "ModelRollout", "metadata": metadata}  # a list leaves both out
    try:
        return validated(ModelRollout, whole, source=f"modelrollout {name}")
    except InvalidInput as error:
        if not any(one.path[:1] == ("status",) for one in error.problems):
            raise
        hint = "another version of the controller wrote this status; run that one, or take what is named out of it"
        raise KanaryaError(f"{one_line(error)}: {hint}; until then nothing moves, and traffic stays as it is") from None
