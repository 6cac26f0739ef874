"""A directory into a verified artifact, or a refusal that names everything wrong with it. Called by `server` and `check`.

The bytes that are hashed are the bytes that are loaded: the model's file is read once, so nothing can change in between.
Anything but a regular file is refused (a link could point to what nobody vouches for, a pipe would never end).
"""

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path

from kanarya_contracts import artifact as contracts
from kanarya_contracts.artifact import ArtifactContract, FileDigest
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.problems import InvalidInput, KanaryaError, Problem

_PIECE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A model version whose every byte is what its contract says."""

    contract: ArtifactContract
    digest: str
    """Of kanarya.json."""
    model: bytes
    """Content of the contract's `runtime.file`."""


def read(directory: Path, *, digest: str | None = None) -> Artifact:
    """Read and verify. `digest`: what kanarya.json must have, if the caller knows. Raises KanaryaError with every problem."""
    content = _contract_bytes(directory)
    found_digest = contracts.digest(content)
    wrong = []
    if digest is not None and found_digest != digest:
        wrong.append(f"{CONTRACT_FILE}: has digest {found_digest}, expected {digest}")
    try:
        contract = contracts.parse(content, str(directory / CONTRACT_FILE))
    except InvalidInput as error:
        raise InvalidInput(error.source, [*(_problem(message) for message in wrong), *error.problems]) from None
    found, model, unreadable = _files(directory, contract.runtime.file)
    wrong += unreadable + contract.file_problems(found)
    if wrong:
        raise InvalidInput(str(directory), [_problem(message) for message in wrong])
    return Artifact(contract=contract, digest=found_digest, model=model)


def digest(directory: Path) -> str:
    """The artifact's: that of kanarya.json. Raises KanaryaError."""
    return contracts.digest(_contract_bytes(directory))


def _problem(message: str) -> Problem:
    return Problem(path=(), message=message)


def _contract_bytes(directory: Path) -> bytes:
    if not directory.is_dir():
        raise KanaryaError(f"{directory}: is not a directory, expected an artifact: a directory with {CONTRACT_FILE}")
    contract = directory / CONTRACT_FILE
    try:
        if not stat.S_ISREG(contract.lstat().st_mode):
            raise KanaryaError(f"{directory}: {CONTRACT_FILE} is not a regular file")
        return contract.read_bytes()
    except OSError as error:
        raise KanaryaError(f"{directory}: {CONTRACT_FILE} cannot be read ({error.strerror}); every artifact has one") from None


def _files(directory: Path, model_file: str) -> tuple[dict[str, FileDigest], bytes, list[str]]:
    """Digests of every file but the contract, the model's bytes, and what could not be read."""
    found: dict[str, FileDigest] = {}
    wrong: list[str] = []
    model = b""
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode) or name == CONTRACT_FILE:
            continue
        if not stat.S_ISREG(mode):
            wrong.append(f"{name}: is not a regular file")
            continue
        try:
            if name == model_file:
                model = path.read_bytes()
                found[name] = FileDigest(sha256=contracts.digest(model), size=len(model))
            else:
                found[name] = _digest(path)
        except OSError as error:
            wrong.append(f"{name}: cannot be read ({error.strerror})")
    return found, model, wrong


def _digest(path: Path) -> FileDigest:
    hashed, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            hashed.update(piece)
            size += len(piece)
    return FileDigest(sha256=f"sha256:{hashed.hexdigest()}", size=size)
