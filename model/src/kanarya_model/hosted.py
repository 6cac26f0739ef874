"""A model inside somebody else's process: what `server` is to ours. Called by the edges for FastAPI, Flask and KServe.

Loading is the same: fetched, verified, right about its own example, or refused. Signals, ports, draining, logs and traces are
the host's.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from kanarya_model.edges.inference import Limits
from kanarya_model.edges.registry import Registry
from kanarya_model.edges.rest import Rest
from kanarya_model.edges.served import Served
from kanarya_model.edges.workers import Workers
from kanarya_model.server import load, serving
from kanarya_model.settings import RECORDS, REPOSITORY, Settings, settings

_NAMES = frozenset(field.name for field in fields(Settings)) - RECORDS - REPOSITORY


def chosen(directory: str | Path, options: Mapping[str, object]) -> Settings:
    """The server's settings, by their names. Raises InvalidInput with every problem, TypeError for an unknown name."""
    unknown = sorted(options.keys() - _NAMES)
    if unknown:
        raise TypeError(f"got {', '.join(unknown)}, expected some of {', '.join(sorted(_NAMES))}")
    texts = {name: value if isinstance(value, bool) else str(value) for name, value in options.items()}
    return settings({"dir": str(directory), **texts}, {})


def served(settings: Settings) -> Served:
    """The model, loaded, with threads for what takes long. Raises KanaryaError with every reason against it."""
    return serving(load(settings), settings, Workers(threads=settings.predict_threads, waiting=settings.most_queued))


def application(settings: Settings) -> Rest:
    """The HTTP application for it."""
    limits = Limits(body_bytes=settings.most_body_bytes, rows=settings.most_rows, in_flight=settings.most_in_flight)
    return Rest(Registry([served(settings)]), limits=limits)
