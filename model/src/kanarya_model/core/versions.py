"""Which versions of which models answer, as a value: who asks by name and version finds one. Changed by `edges.registry`.

A model has a default version, which answers where no version is named. It is the one that came last, unless that one was asked
to stand beside; where the default goes, the one that came last of the others takes its place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kanarya_model.core.refusal import listed, quoted

One = TypeVar("One")


@dataclass(frozen=True, kw_only=True)
class Family(Generic[One]):
    """The versions of one model; never empty."""

    default: str
    versions: Mapping[str, One]
    """In the order in which they came, or were last made the default."""

    def __iter__(self) -> Iterator[One]:
        """Each of them, the default last."""
        yield from (one for version, one in self.versions.items() if version != self.default)
        yield self.versions[self.default]


@dataclass(frozen=True, kw_only=True)
class Versions(Generic[One]):
    """All of them. Changing it makes another."""

    models: Mapping[str, Family[One]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[One]:
        """Each of them, by model, its default last."""
        for family in self.models.values():
            yield from family

    def __len__(self) -> int:
        return sum(len(family.versions) for family in self.models.values())

    def find(self, name: str, version: str | None = None) -> One:
        """The one of that name and version; without a version, the default. Raises LookupError with what there is."""
        family = self.models.get(name)
        if family is None:
            raise LookupError(f"model: got {quoted(name)}, expected {listed(tuple(self.models)) or 'none, for none is loaded'}")
        found = family.versions.get(family.default if version is None else version)
        if found is None:
            versions = listed(tuple(family.versions))
            raise LookupError(f"version: got {quoted(str(version))} of model {quoted(name)}, expected {versions}")
        return found

    def of(self, name: str) -> tuple[str, ...]:
        """The versions of that model, in their order; none of one that is not here."""
        family = self.models.get(name)
        return tuple(family.versions) if family else ()

    def put(self, name: str, version: str, one: One, *, default: bool = True) -> "Versions[One]":
        """With this one, in place of another of its name and version. `default`: the first version of a model always is."""
        family = self.models.get(name)
        versions = {**family.versions, version: one} if family else {version: one}
        chosen = family.default if family and not default else version
        return self._with(name, Family(default=chosen, versions=versions))

    def prefer(self, name: str, version: str) -> "Versions[One]":
        """With this one of its versions as the model's default, as if it had come last."""
        versions = self.models[name].versions
        others = {other: one for other, one in versions.items() if other != version}
        return self._with(name, Family(default=version, versions={**others, version: versions[version]}))

    def take(self, name: str, version: str) -> "Versions[One]":
        """Without this one, which must be here."""
        family = self.models[name]
        rest = {other: one for other, one in family.versions.items() if other != version}
        if not rest:
            return Versions(models={other: one for other, one in self.models.items() if other != name})
        default = family.default if version != family.default else list(rest)[-1]
        return self._with(name, Family(default=default, versions=rest))

    def surplus(self, name: str, most: int, new: str) -> tuple[str, ...]:
        """Versions of the model beyond `most`, those that came first; neither the default nor the `new` one."""
        family = self.models[name]
        old = [version for version in family.versions if version not in (family.default, new)]
        return tuple(old[: max(0, len(family.versions) - most)])

    def _with(self, name: str, family: Family[One]) -> "Versions[One]":
        return Versions(models={**self.models, name: family})
