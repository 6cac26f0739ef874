"""Fetches a version's artifact and holds it to its contract. Called by `serving`, in a thread.

Owns the directories under STATE/artifacts. Refuses an artifact that is not what was registered before anything reads its
model. Talks to the registry's artifact proxy over HTTP; needs no MLflow here.
"""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx

from kanarya_cli.local import files
from kanarya_contracts import artifact
from kanarya_contracts.artifact import ArtifactContract, FileDigest
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import VersionRef

_API = "/api/2.0/mlflow-artifacts/artifacts"
_CHUNK = 1 << 20


class Refused(KanaryaError):
    """The artifact is not what was registered. Final: fetching it again would bring the same."""


class NotFetched(KanaryaError):
    """The other side or the disk did not do its part. Says nothing about the artifact; worth another try."""


def obtain(ref: VersionRef, directory: Path, *, registry: str) -> ArtifactContract:
    """Have `ref`'s artifact in `directory`, verified now, and return its contract.

    What lies there already is verified again and, where it has changed on our disk, fetched anew.
    Raises Refused with every problem, or NotFetched.
    """
    if ref.digest is None:
        msg = f"version {ref.version} has no digest in the registry: nobody vouches for its files"
        raise Refused(msg)
    if directory.exists():
        try:
            return verify(directory, ref.digest)
        except Refused:
            shutil.rmtree(directory)
    temporary = directory.with_name(f".{directory.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        _fetch(ref.uri or "", temporary, registry)
        contract = verify(temporary, ref.digest)
        temporary.replace(directory)
    except OSError as error:
        raise NotFetched(str(files.not_written(directory, error))) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return contract


def verify(directory: Path, digest: str) -> ArtifactContract:
    """The contract of the artifact in `directory`, every file held to it. Raises Refused."""
    contract = contract_of(directory, digest)
    wrong = contract.file_problems(dict(_digests(directory)))
    if wrong:
        raise Refused("; ".join(wrong))
    return contract


def contract_of(directory: Path, digest: str) -> ArtifactContract:
    """The contract in `directory`, if it is the one that was registered. Looks at no other file. Raises Refused."""
    try:
        content = (directory / CONTRACT_FILE).read_bytes()
    except FileNotFoundError:
        msg = f"the artifact has no {CONTRACT_FILE}"
        raise Refused(msg) from None
    if (found := artifact.digest(content)) != digest:
        msg = f"{CONTRACT_FILE}: has digest {found[:19]}…, but {digest[:19]}… was registered"
        raise Refused(msg)
    try:
        return artifact.parse(content)
    except KanaryaError as error:
        raise Refused(str(error)) from None


def _digests(directory: Path) -> Iterator[tuple[str, FileDigest]]:
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory).as_posix()
        if path.is_file() and relative != CONTRACT_FILE:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            yield relative, FileDigest(sha256=f"sha256:{found}", size=path.stat().st_size)


def _fetch(uri: str, into: Path, registry: str) -> None:
    parts = urlsplit(uri)
    if parts.scheme in {"", "file"} and parts.path:
        source = Path(parts.path)
        if not source.is_dir():
            msg = f"{uri} is not a directory on this machine"
            raise Refused(msg)
        shutil.copytree(source, into, dirs_exist_ok=True)
    elif parts.scheme == "mlflow-artifacts":
        base = f"http://{parts.netloc}" if parts.netloc else registry.rstrip("/")
        with httpx.Client(base_url=base, timeout=10.0, trust_env=False) as client:
            _fetch_directory(client, parts.path.strip("/"), into)
    else:
        msg = (
            f"local mode fetches mlflow-artifacts:/ and file:/ URIs, not {uri!r}. Register with a server that proxies artifacts"
        )
        raise Refused(msg)


def _fetch_directory(client: httpx.Client, path: str, into: Path) -> None:
    for entry in _listing(client, path):
        name = str(entry["path"]).rsplit("/", 1)[-1]
        if name in {"", ".", ".."}:
            msg = f"the registry lists a file named {entry['path']!r} in {path}"
            raise Refused(msg)
        if entry.get("is_dir"):
            (into / name).mkdir()
            _fetch_directory(client, f"{path}/{name}", into / name)
        else:
            _fetch_file(client, f"{path}/{name}", into / name)


def _listing(client: httpx.Client, path: str) -> list[dict[str, object]]:
    try:
        response = client.get(_API, params={"path": path}).raise_for_status()
        found = response.json().get("files", [])
    except (httpx.HTTPError, ValueError) as error:
        raise _not_fetched(client, path, error) from None
    return list(found)


def _fetch_file(client: httpx.Client, path: str, target: Path) -> None:
    try:
        with client.stream("GET", f"{_API}/{quote(path)}") as response, target.open("wb") as file:
            response.raise_for_status()
            for chunk in response.iter_bytes(_CHUNK):
                file.write(chunk)
    except httpx.HTTPError as error:
        raise _not_fetched(client, path, error) from None


def _not_fetched(client: httpx.Client, path: str, error: Exception) -> NotFetched:
    return NotFetched(f"{path} was not fetched from {client.base_url}: {error or type(error).__name__}")
