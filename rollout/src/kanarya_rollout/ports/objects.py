"""Contents in an object store (S3 and its like, Google's, Azure's) or in a directory. Adapter of `Shelf`.

Credentials and endpoint are the store's own environment variables (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, …). What is there
stays: every write carries `If-None-Match: *`, and a directory's files are made, never opened again.
"""

from collections.abc import Mapping
from datetime import timedelta

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore, from_url

from kanarya_contracts.problems import KanaryaError
from kanarya_rollout.ports import Conflict, Unreachable

CONNECT_SECONDS, TIMEOUT_SECONDS = 2, 5
"""For a connection, and for a whole call."""

_ERRORS = (BaseError, OSError)
"""obstore's own, and the ones of Python's that it raises for what is not there or may not be read."""


class Objects:
    """One bucket, or a part of it; one directory."""

    def __init__(self, place: str, *, make: bool = False) -> None:
        """`place`: `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///directory`. Raises KanaryaError for anything else.

        `make`: make the directory if it is not there.
        """
        self.place = place.rstrip("/")
        self._store = _store(self.place, make=make)

    def put(self, name: str, content: bytes) -> None:
        """As the port says."""
        try:
            obstore.put(self._store, name, content, mode="create")
        except AlreadyExistsError:
            if self._content(name) != content:
                raise Conflict(f"{self.place}/{name} is there already and is not what was to be kept; it was left") from None
        except _ERRORS as error:
            raise self._unreachable(error) from None

    def under(self, prefix: str) -> Mapping[str, bytes]:
        """As the port says."""
        try:
            names = [str(one["path"]) for batch in obstore.list(self._store, prefix.rstrip("/")) for one in batch]
        except _ERRORS as error:
            raise self._unreachable(error) from None
        return {name: self._content(name) for name in sorted(names)}

    def _content(self, name: str) -> bytes:
        try:
            return bytes(obstore.get(self._store, name).bytes())
        except _ERRORS as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"{self.place} does not answer as it should: {_said(error)}")


def _store(place: str, *, make: bool) -> ObjectStore:
    try:
        if place.startswith("file:"):
            return from_url(place, mkdir=make)
        return from_url(
            place,
            client_options={
                "allow_http": True,
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "timeout": timedelta(seconds=TIMEOUT_SECONDS),
            },
            retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=TIMEOUT_SECONDS)},
        )
    except (*_ERRORS, ValueError) as error:
        raise KanaryaError(f"{place} is no place for records: {_said(error)}") from None


def _said(error: Exception) -> str:
    """Without what Rust would say of it to itself."""
    return " ".join(str(error).partition("Debug source:")[0].split())[:300]
