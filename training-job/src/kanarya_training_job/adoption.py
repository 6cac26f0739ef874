"""A version of an artifact that was made elsewhere: held to its contract's digests and registered as ours are. Called by
`kanarya_training_job.adopt`, which imports it late.

Whether the model answers its example is not asked here: whoever wrote the contract has asked it, and the server asks again.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from kanarya_contracts import artifact
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.problems import KanaryaError
from kanarya_training_job import package
from kanarya_training_job.address import Address
from kanarya_training_job.package import Package
from kanarya_training_job.register import Registration, register
from kanarya_training_job.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What became of it."""

    model: str
    version: str
    digest: str
    alias: str | None


def adopt(directory: Path, *, address: Address, alias: str | None) -> Adopted:
    """Register an artifact's directory, and point the alias to it. See `kanarya_training_job.adopt`."""
    try:
        content = (directory / CONTRACT_FILE).read_bytes()
    except OSError as error:
        raise KanaryaError(f"{directory} has no readable {CONTRACT_FILE}: {error.strerror}") from None
    contract = artifact.parse(content, str(directory / CONTRACT_FILE))
    problems = contract.file_problems(package.digests(directory))
    if problems:
        raise KanaryaError(f"{directory} is not what its contract says:\n  " + "\n  ".join(problems))
    registry, digest = Registry(address), artifact.digest(content)
    with tempfile.TemporaryDirectory() as nothing:
        registration = Registration(
            model=contract.model,
            experiment=contract.model,
            package=Package(directory=directory, contract=contract, digest=digest),
            comparison=None,
            parameters={},
            run_files=Path(nothing),
        )
        version = register(registry, registration).version
    if alias:
        registry.set_alias(contract.model, alias, version)
    return Adopted(model=contract.model, version=version, digest=digest, alias=alias)
