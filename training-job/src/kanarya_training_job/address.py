"""The registry's address, and whether something healthy is there. Light to import: `train` asks before it loads the libraries
that train, so that a server that is down is told of in a second and not after ten."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import httpx

from kanarya_contracts.problems import KanaryaError
from kanarya_training_job.outcome import RegistryError

PROBE_SECONDS = 4.0
"""For `/health` to answer."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where MLflow is."""

    uri: str
    """Without a slash at the end."""
    shown: str
    """The same without credentials, for messages."""

    def probe(self) -> None:
        """Raise RegistryError unless the server says that it is healthy."""
        try:
            response = httpx.get(f"{self.uri}/health", timeout=PROBE_SECONDS)
        except httpx.HTTPError as error:
            raise self.silent("answer /health", str(error) or type(error).__name__) from None
        if response.status_code != 200 or response.text.strip() != "OK":  # a login page says 200 too
            raise self.silent("answer /health", f"it said {response.status_code} {response.text[:200].strip()}")

    def silent(self, what: str, detail: str) -> RegistryError:
        """The error for a server that did not do `what`."""
        return RegistryError(f"MLflow at {self.shown} did not {what}: {detail}. Is it running, and is this its address?")


def parse(uri: str) -> Address:
    """An address from what a person typed. Raises KanaryaError if it is none: to ask again would not help."""
    try:
        parts = urlsplit(uri)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        typed = re.sub("//[^/]*@", "//", uri)
        raise KanaryaError(f"the registry's address is {typed!r}, expected http://HOST:PORT or https://… of an MLflow server")
    shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return Address(uri=uri.rstrip("/"), shown=shown.rstrip("/"))
