"""What a process serves, and who is told when that changes. Made by `server` with one model, or filled by `repository`.

Edges make their tables from `versions` when they are told, and then look up as ever: a change is a new table in place of the
old, and costs a request nothing. A request keeps what it found, so what was begun with a version ends with it; until then the
version is `leaving`, and counted. When the last request lets go of it, so does the memory. Changed on the event loop alone.
"""

from collections.abc import Callable, Iterable

from kanarya_model.core.versions import Versions
from kanarya_model.edges.served import Served


class Registry:
    """All that answers here."""

    def __init__(self, served: Iterable[Served] = (), *, may_change: bool = False) -> None:
        self.may_change = may_change
        """Whether there will be others."""
        self.versions: Versions[Served] = Versions()
        """Who answers."""
        self.leaving: tuple[Served, ...] = ()
        """Who answers nobody new, and has requests to end."""
        self.missing: frozenset[str] = frozenset()
        """Models that should answer from the start, and never did."""
        self._told: list[Callable[[], None]] = []
        for one in served:
            self.change(self.versions.put(one.model.name, one.model.version, one))

    @property
    def ready(self) -> bool:
        """Whether something answers, and everything that should."""
        return len(self.versions) > 0 and not self.missing

    def watch(self, told: Callable[[], None]) -> None:
        """Call this now and after every change."""
        self._told.append(told)
        told()

    def change(self, versions: Versions[Served]) -> tuple[Served, ...]:
        """These answer from now on. Returns those that answered until now and do no more, for `gone`."""
        before, after = set(self.versions), set(versions)
        for one in after - before:
            one.reports.opened(one.model.version, scores=one.model.contract.task == "regression")
        left = tuple(one for one in self.versions if one not in after)
        self.versions, self.leaving = versions, (*self.leaving, *left)
        self.missing -= versions.models.keys()
        self._tell()
        return left

    def expect(self, missing: Iterable[str]) -> None:
        """These models should answer, and do not; until they do, or nobody expects them, nothing here is `ready`."""
        self.missing = frozenset(missing)
        self._tell()

    def gone(self, one: Served) -> None:
        """One that was leaving has no request any more."""
        self.leaving = tuple(other for other in self.leaving if other is not one)
        one.reports.closed(one.model.version)

    def counted(self) -> tuple[Served, ...]:
        """Everything whose counters are shown."""
        return (*self.leaving, *self.versions)

    def _tell(self) -> None:
        for told in self._told:
            told()
