"""The `registry` port in memory."""

from collections.abc import Mapping
from dataclasses import replace

from kanarya_rollout.observation import RegisteredVersion
from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.testing.fuse import Fuse


def digest(version: str) -> str:
    """A digest that belongs to a version."""
    return f"sha256:{int(version):064x}"


class FakeRegistry:
    """One model's versions and aliases."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self.versions: dict[str, RegisteredVersion] = {}
        self.aliases: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        """Of the model itself."""
        self.reachable = True

    def register(self, version: str, *, alias: str | None = None, tagged: bool = True) -> None:
        """A version, with its digest unless told otherwise."""
        self.versions[version] = RegisteredVersion(
            version=version, digest=digest(version) if tagged else None, uri=f"s3://models/iris/{version}", tags={}
        )
        if alias is not None:
            self.aliases[alias] = version

    def delete(self, version: str) -> None:
        """A version, and the aliases on it."""
        del self.versions[version]
        self.aliases = {alias: other for alias, other in self.aliases.items() if other != version}

    def by_alias(self, model: str, alias: str) -> RegisteredVersion | None:  # noqa: ARG002 (the port's)
        """As the port says."""
        self._check()
        return self.versions.get(self.aliases.get(alias, ""))

    def by_version(self, model: str, version: str) -> RegisteredVersion | None:  # noqa: ARG002 (the port's)
        """As the port says."""
        self._check()
        return self.versions.get(version)

    def move_alias(self, model: str, alias: str, *, to: str, expected: str | None) -> None:
        """As the port says."""
        self._check()
        if self.aliases.get(alias) == to:
            return
        if self.aliases.get(alias) != expected:
            raise Conflict(f"{alias} of {model} points to {self.aliases.get(alias)}, not to {expected}")
        self._fuse.around(lambda: self.aliases.update({alias: to}))

    def annotate(self, model: str, version: str, tags: Mapping[str, str]) -> None:  # noqa: ARG002 (the port's)
        """As the port says."""
        self._check()
        old = self.versions[version]
        self._fuse.around(lambda: self.versions.update({version: replace(old, tags={**old.tags, **tags})}))

    def annotate_model(self, model: str, tags: Mapping[str, str]) -> None:  # noqa: ARG002 (the port's)
        """As the port says."""
        self._check()
        self._fuse.around(lambda: self.tags.update(tags))

    def _check(self) -> None:
        if not self.reachable:
            raise Unreachable("the registry at http://registry.test does not answer: connection refused")
