"""Asks a version's server the artifact's own example, at its own Service, before it gets a request. Called by `kserve`.

The model server has answered the example before it listens, and says which artifact it serves. This asks once more from
outside, with the contract fetched from the registry's artifact proxy and held to the registered digest, so that a wrong image
is found too. An artifact that does not lie behind that proxy is asked for its digest alone.

What does not answer as a model server does is not the model server: a mesh or a node that has not heard of the Service yet
sends its first requests elsewhere. That is no verdict, and is asked again for as long as a version may take to start.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from kanarya_contracts import artifact
from kanarya_contracts.artifact import ArtifactContract
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import VersionRef
from kanarya_rollout.ports import Unreachable

TIMEOUT_SECONDS = 2.0
"""For each of the three calls."""

_PROXY = "/api/2.0/mlflow-artifacts/artifacts"


_BUSY = frozenset({502, 503, 504})
"""Said by a server that has too much to do, too, and by whatever stands in front of one."""


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Column(_Seen):
    name: str
    datatype: str
    shape: tuple[int, ...]


class _Metadata(_Seen):
    versions: tuple[str, ...] = ()
    inputs: tuple[_Column, ...] = ()
    properties: dict[str, str] = {}


class _Tensor(_Seen):
    name: str
    data: list[str | int | float | bool]


class _Answer(_Seen):
    outputs: tuple[_Tensor, ...]


class Examples:
    """Contracts of one registry, kept once they were read."""

    def __init__(
        self, registry: str, *, login: tuple[str, str] | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        """`registry`: MLflow's address, which proxies artifacts; `login`: user and password there.

        `transport`: another way to registry and servers, for tests.
        """
        self._login = login
        self._registry = registry.rstrip("/")
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, transport=transport)
        self._contracts: dict[str, ArtifactContract] = {}

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def problems(self, address: str, model: str, ref: VersionRef) -> tuple[str, ...]:
        """What is wrong with the answers of the server at `address`: () if nothing is. Raises Unreachable while it cannot be
        asked, or the registry cannot."""
        base = f"{address}/v2/models/{model}"
        try:
            metadata = _Metadata.model_validate(self._asked("GET", base))
            served = metadata.properties.get("digest")
            if served != ref.digest:
                return (f"the server at {address} serves {served or 'an artifact without digest'}, expected {ref.digest}",)
            contract = self._contract(ref)
            if contract is None:
                return ()
            answer = _Answer.model_validate(self._asked("POST", f"{base}/infer", _request(metadata.inputs, contract)))
        except httpx.RequestError as error:
            raise Unreachable(f"{error.request.url} does not answer: {str(error) or type(error).__name__}") from None
        except (ValidationError, ValueError, LookupError) as error:
            return (f"the answer of {base} is not the protocol's: {str(error).splitlines()[0]}",)
        except Unreachable:
            raise
        except KanaryaError as error:
            return (str(error),)
        return tuple(contract.example_problems({one.name: one.data for one in answer.outputs}))

    def _contract(self, ref: VersionRef) -> ArtifactContract | None:
        scheme, _, path = (ref.uri or "").partition(":")
        digest = ref.digest or ""
        if scheme != "mlflow-artifacts":
            return None
        if digest not in self._contracts:
            path = path.removeprefix("//").partition("/")[2] if path.startswith("//") else path
            response = self._http.get(f"{self._registry}{_PROXY}/{path.strip('/')}/{CONTRACT_FILE}", auth=self._login)
            if response.status_code == 404:
                raise KanaryaError(f"the registry has no {CONTRACT_FILE} under {ref.uri}")
            if response.is_error:  # a login that is refused, say: the registry's trouble and never the model's
                raise Unreachable(f"the registry at {self._registry} answered {response.status_code}")
            found = artifact.digest(response.content)
            if found != digest:
                raise KanaryaError(
                    f"{CONTRACT_FILE} in the registry has digest {found[:19]}…, but {digest[:19]}… was registered"
                )
            self._contracts[digest] = artifact.parse(response.content)
        return self._contracts[digest]

    def _asked(self, method: Literal["GET", "POST"], url: str, body: object = None) -> object:
        """What the model server answers. Raises KanaryaError if that is that something is wrong, Unreachable if it is not a
        model server that answers."""
        response = self._http.request(method, url, json=body)
        try:
            content: object = response.json()
        except ValueError:
            content = None
        said = content.get("error") if isinstance(content, dict) else None
        code = response.status_code
        if code in _BUSY or (content is None if response.is_success else not isinstance(said, str)):
            raise Unreachable(f"{url} answered {code} and not as the model server does: {response.text[:200] or 'nothing'}")
        if not response.is_success:
            raise KanaryaError(f"{url} answered {code}: {str(said)[:200]}")
        return content


def _request(columns: Sequence[_Column], contract: ArtifactContract) -> Mapping[str, object]:
    rows = contract.example.rows
    return {
        "inputs": [
            {
                "name": column.name,
                "datatype": column.datatype,
                "shape": [rows, *([1] * (len(column.shape) - 1))],
                "data": list(contract.example.inputs[column.name]),
            }
            for column in columns
        ]
    }
