"""The API server's objects as it last announced them: what would be a call for each object is none. Used by `operator`, while
this process leads.

A WatchedApi is a KubernetesApi: adapters ask it as they would ask the API server. Kinds that are watched are answered from
here; everything else, every write, and a kind whose watch does not stand just now, goes to the API server. An answer to a write
is noted at once, and what is older than what is known is not believed, so nobody reads less than they wrote. To be behind by a
moment is the same as having looked a moment ago: writes carry the version they were decided from.

Each watch is a thread: list, then follow from there, and list again when the API server does not remember that far back.
"""

import logging
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kanarya_rollout.ports import Unreachable
from kanarya_rollout.ports.api import Document, KubernetesApi, collection

FOLLOW_SECONDS = 240
"""Until a watch is asked for anew; the API server ends it then."""

PAUSE_SECONDS = 1.0
"""After a watch that broke."""

_LOG = logging.getLogger("kanarya.controller")
_PATH = re.compile(
    r"(?P<root>/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/(?P<space>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?"
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Objects to be watched."""

    group: str
    """With its version, as in `apiVersion`."""
    plural: str
    selector: str = ""
    """Label that they must have; they are found by its value."""
    about: Callable[[Document], str]
    """Name of the InferenceService that an object has to do with."""
    unread: frozenset[str] = frozenset()
    """Fields, of an object or its metadata, that nobody asks for. They are not kept: thousands of pods are much memory."""

    @property
    def key(self) -> tuple[str, str]:
        """As `_PATH` reads it from a path."""
        return (f"/api/{self.group}" if self.group == "v1" else f"/apis/{self.group}", self.plural)


class WatchedApi(KubernetesApi):
    """The watched kinds of some namespaces."""

    def __init__(self, api: KubernetesApi, kinds: Iterable[Kind], namespaces: Iterable[str] = ()) -> None:
        """`namespaces`: none means all."""
        super().__init__(api._client, api._may_write)  # noqa: SLF001 (the same door)
        spaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._watches = {kind.key: [_Watch(api, kind, space) for space in spaces] for kind in kinds}

    def start(self, stop: threading.Event) -> None:
        """Watch until `stop`, each on a thread of its own. Returns when each has tried once, so that the first look is here."""
        watches = [one for every in self._watches.values() for one in every]
        for watch in watches:
            threading.Thread(target=watch.run, args=[stop], name=f"watch {watch.path}", daemon=True).start()
        for watch in watches:
            watch.tried.wait()

    def news(self, namespace: str, service: str) -> object:
        """Differs from what it was when something about this InferenceService was announced, or nobody can know."""
        watches = [one for every in self._watches.values() for one in every if one.space in {None, namespace}]
        if not watches or not all(one.stands for one in watches):
            return object()
        return sum(one.announced.get((namespace, service), 0) for one in watches)

    def get(self, path: str, **query: str) -> Document | None:
        """As KubernetesApi says."""
        found = _PATH.fullmatch(path)
        watch = self._watch(path) if not query else None
        if watch is None or found is None or found["name"] is None:
            return super().get(path, **query)
        return watch.one(str(found["space"]), found["name"])

    def items(self, path: str, **query: str) -> list[Document]:
        """As KubernetesApi says; of a label selector, the one that the kind is watched with."""
        found, watch = _PATH.fullmatch(path), self._watch(path)
        label, _, value = query.get("labelSelector", "").partition("=")
        if watch is None or found is None or query.keys() - {"labelSelector"} or label != watch.kind.selector:
            return super().items(path, **query)
        return watch.those(found["space"], value)

    def create(self, path: str, body: Mapping[str, object]) -> Document:
        """As KubernetesApi says."""
        return self._noted(path, super().create(path, body))

    def replace(self, path: str, body: Mapping[str, object]) -> Document:
        """As KubernetesApi says."""
        return self._noted(path, super().replace(path, body))

    def merge(self, path: str, body: Mapping[str, object]) -> Document | None:
        """As KubernetesApi says."""
        found = super().merge(path, body)
        return found if found is None else self._noted(path, found)

    def apply(self, path: str, body: Mapping[str, object], *, force: bool) -> Document:
        """As KubernetesApi says."""
        return self._noted(path, super().apply(path, body, force=force))

    def _watch(self, path: str) -> "_Watch | None":
        """The watch that knows of it, if it stands."""
        found = _PATH.match(path)
        watches = self._watches.get((found["root"], found["plural"]), []) if found is not None else []
        return next((one for one in watches if one.space in {None, found and found["space"]} and one.stands), None)

    def _noted(self, path: str, document: Document) -> Document:
        watch = self._watch(path)
        if watch is not None:
            watch.note(document)
        return document


class _Watch:
    """One kind in one namespace, or in all."""

    def __init__(self, api: KubernetesApi, kind: Kind, space: str | None) -> None:
        self.kind = kind
        self.space = space
        self.path = collection(kind.group, space, kind.plural)
        self.stands = False
        """Whether what is here is what the API server says."""
        self.tried = threading.Event()
        self.announced: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Namespace and InferenceService → how often something was said of it."""
        self._api = api
        self._objects: dict[tuple[str, str], Document] = {}
        self._labelled: defaultdict[tuple[str, str], dict[str, Document]] = defaultdict(dict)
        self._lock = threading.Lock()
        self._said = ""

    def run(self, stop: threading.Event) -> None:
        """List and follow, until `stop`. Raises nothing."""
        while not stop.is_set():
            try:
                self._follow(self._list(), stop)
            except Unreachable as error:
                self._say(str(error))
            except Exception:  # noqa: BLE001 (a thread's end would be seen by nobody)
                _LOG.exception("the watch of %s", self.path)
            self.stands = False
            self.tried.set()
            stop.wait(PAUSE_SECONDS)
        self.tried.set()  # whoever was told to stop before the first look waits for none

    def one(self, space: str, name: str) -> Document | None:
        """An object; None if there is none."""
        with self._lock:
            return self._objects.get((space, name))

    def those(self, space: str | None, value: str) -> list[Document]:
        """The objects of a namespace, or of all; those with that value of the selector's label, if there is one."""
        with self._lock:
            if self.kind.selector and space is not None:
                return list(self._labelled[space, value].values())
            return [one for (where, _), one in self._objects.items() if space in {None, where}]

    def note(self, document: Document) -> None:
        """An object as it is now, unless a newer one is known."""
        place = _place(document)
        with self._lock:
            known = self._objects.get(place)
            if known is None or _version(document) > _version(known):
                self._put(place, document)

    def _list(self) -> str:
        found = self._api.get(self.path, **self._selected())
        if found is None:
            raise Unreachable(f"there is no {self.path}")
        with self._lock:
            for place in list(self._objects):
                self._drop(place)
            for one in found["items"]:
                self._put(_place(one), one)
        self.stands = True
        self.tried.set()
        return str(found["metadata"]["resourceVersion"])

    def _follow(self, version: str, stop: threading.Event) -> None:
        while not stop.is_set():
            for event in self._api.watch(self.path, version, FOLLOW_SECONDS, **self._selected()):
                document = event["object"]
                if event["type"] == "ERROR":
                    raise Unreachable(str(document.get("message", document)))
                version = str(document["metadata"]["resourceVersion"])
                if event["type"] in {"ADDED", "MODIFIED"}:
                    self.note(document)
                elif event["type"] == "DELETED":
                    with self._lock:
                        self._drop(_place(document))
                if stop.is_set():
                    return

    def _say(self, broken: str) -> None:
        """Once, until it is something else."""
        if broken != self._said:
            _LOG.info("the watch of %s broke, what it showed is asked for until it stands again: %s", self.path, broken)
        self._said = broken

    def _selected(self) -> dict[str, str]:
        return {"labelSelector": self.kind.selector} if self.kind.selector else {}

    def _put(self, place: tuple[str, str], announced: Document) -> None:
        document = _without(announced, self.kind.unread)
        self._drop(place)
        self._objects[place] = document
        self.announced[place[0], self.kind.about(document)] += 1
        if self.kind.selector:
            self._labelled[place[0], _label(document, self.kind.selector)][place[1]] = document

    def _drop(self, place: tuple[str, str]) -> None:
        document = self._objects.pop(place, None)
        if document is not None:
            self.announced[place[0], self.kind.about(document)] += 1
            if self.kind.selector:
                self._labelled[place[0], _label(document, self.kind.selector)].pop(place[1], None)


def _without(document: Document, unread: frozenset[str]) -> Document:
    kept = {key: value for key, value in document.items() if key not in unread}
    return {**kept, "metadata": {key: value for key, value in document["metadata"].items() if key not in unread}}


def _place(document: Document) -> tuple[str, str]:
    return str(document["metadata"]["namespace"]), str(document["metadata"]["name"])


def _version(document: Document) -> int:
    """Versions of one kind are whole numbers that grow (KEP-5504)."""
    return int(document["metadata"]["resourceVersion"])


def _label(document: Document, name: str) -> str:
    return str((document["metadata"].get("labels") or {}).get(name, ""))
