"""Every setting of the server, once: its flag, its environment variable, its default and what it does.

`--drain-seconds 5` and `KANARYA_MODEL_DRAIN_SECONDS=5` are the same; the flag wins. All problems are reported at once, a
misspelt KANARYA_MODEL_ variable among them; one that is empty is not given.
"""

import argparse
import re
from collections.abc import Collection, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from kanarya_contracts.environment import meant, unknown
from kanarya_contracts.problems import InvalidInput, Problem

PREFIX = "KANARYA_MODEL_"
"""Of every environment variable. DIR's is KANARYA_MODEL_DIR."""

RECORDS = frozenset(
    {
        "access_log",
        "request_log",
        "request_log_share",
        "request_log_rows",
        "request_log_seconds",
        "request_log_key_file",
        "traces",
    }
)
"""Settings of what is written down about requests; `kanarya-model serve` alone does."""

REPOSITORY = frozenset({"repository", "repository_control", "most_versions", "most_loaded"})
"""Settings of a process with several models; `kanarya-model serve` alone is one."""

_ONE_MODEL = ("dir", "name", "version", "digest", "request_log")
"""What has no meaning where there are several."""

_TRUE, _FALSE = "true", "false"


def _setting(default: Any, meaning: str, *, kind: type = str, pattern: str = "", low: float = 0, high: float = 1e15) -> Any:
    metadata = {"help": meaning, "kind": kind, "pattern": pattern, "low": low, "high": high}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `kanarya-model serve` is told."""

    dir: str = _setting("", "the artifact: a directory or s3://bucket/prefix", pattern=r".+")
    name: str | None = _setting(
        None, "model's name in paths and metrics; by default the contract's", pattern=r"[^/\x00-\x1f?#]{1,256}"
    )
    version: str | None = _setting(
        None, "registry version that is served; by default 12 digits of the artifact's digest", pattern=r"[0-9a-zA-Z._-]{1,64}"
    )
    digest: str | None = _setting(None, "refuse an artifact whose kanarya.json has another", pattern=r"sha256:[0-9a-f]{64}")
    repository: str | None = _setting(
        None, "instead of DIR: a directory of several models, DIR/MODEL/VERSION/ with an artifact in each", pattern=r".+"
    )
    repository_control: bool = _setting(
        False, "let whoever reaches the server load and unload models of the repository, and see its index", kind=bool
    )
    most_versions: int = _setting(
        1,
        "versions of one model that stay loaded; with one more, the one that was the default longest ago is let go",
        kind=int,
        low=1,
    )
    most_loaded: int = _setting(
        16, "versions of all models that are loaded at once, a new one beside the old included", kind=int, low=1
    )
    host: str = _setting("127.0.0.1", "address to listen on", pattern=r".+")
    port: int = _setting(8080, "port to listen on; 0 takes any free one", kind=int, high=65535)
    port_file: str | None = _setting(None, "file to write the port to, once the server is ready", pattern=r".+")
    grpc_port: int | None = _setting(
        None,
        "port for V2 over gRPC, which KServe expects at 8081; 0 takes any free one; without it there is none",
        kind=int,
        high=65535,
    )
    grpc_port_file: str | None = _setting(None, "file to write that port to, once the server is ready", pattern=r".+")
    drain_seconds: float = _setting(0.5, "after SIGTERM: not ready, but answering, for so long", kind=float, high=3600)
    grace_seconds: float = _setting(30.0, "after draining: time for requests in flight to end", kind=float, high=3600)
    keep_alive_seconds: float = _setting(
        75.0, "an idle connection is closed after this; longer than a proxy's own limit", kind=float, low=1, high=3600
    )
    request_seconds: float = _setting(
        60.0,
        "a client that takes longer to send a request is answered 408, one that takes longer to read is cut off",
        kind=float,
        low=0.1,
        high=3600,
    )
    most_body_bytes: int = _setting(
        16 << 20, "largest request body, before and after it is inflated; more is 413", kind=int, low=1
    )
    most_head_bytes: int = _setting(32 << 10, "largest request line with headers; more is 431", kind=int, low=256)
    most_rows: int = _setting(65_536, "most rows in a request; more is 413", kind=int, low=1)
    most_in_flight: int = _setting(1024, "most requests at once; one more for inference is 503", kind=int, low=1)
    inline_milliseconds: float = _setting(
        0.5,
        "a request whose prediction takes longer, by the pace that the model showed at the start, has it on a thread of its "
        "own; a scikit-learn model's always",
        kind=float,
        high=1000,
    )
    batching: str = _setting(
        "auto",
        "whether requests that come together are predicted together, each answered as if it had been alone: "
        "on, off, or auto, which is on for a scikit-learn model and off for ONNX",
        pattern=r"auto|on|off",
    )
    most_batch_rows: int = _setting(1024, "most rows that are predicted together", kind=int, low=1)
    most_series: int = _setting(2000, "most series that count features; 0 counts none", kind=int)
    most_remembered: int = _setting(
        20_000, "most rows predicted on copies whose labels are waited for, to compare with the champion", kind=int
    )
    predict_threads: int = _setting(1, "threads for such predictions", kind=int, low=1, high=1024)
    most_queued: int = _setting(256, "most predictions that wait for those threads; one more is 503", kind=int, low=1)
    access_log: bool = _setting(False, "write a line of JSON a request to standard output", kind=bool)
    request_log: str | None = _setting(
        None, "keep requests with their answers as Parquet files in this directory or s3://bucket/prefix", pattern=r".+"
    )
    request_log_share: float = _setting(1.0, "share of the requests that are kept, drawn at random", kind=float, high=1)
    request_log_rows: int = _setting(
        16_384, "a file ends at so many rows; as many may wait, what comes then is dropped and counted", kind=int, low=1
    )
    request_log_seconds: float = _setting(60.0, "a file ends after so long", kind=float, low=0.1, high=86_400)
    request_log_key_file: str | None = _setting(
        None, "file with the key for columns that the contract has hashed: 16 bytes or more", pattern=r".+"
    )
    traces: bool = _setting(
        False, "send spans of requests to an OpenTelemetry collector; the OTEL_ variables say where and how many", kind=bool
    )
    onnx_threads: int = _setting(1, "threads of ONNX Runtime within one prediction", kind=int, low=1, high=1024)


def arguments(parser: argparse.ArgumentParser, only: Collection[str] = ()) -> None:
    """Add DIR and a flag for every other setting, or for these alone."""
    for setting in fields(Settings):
        if only and setting.name not in only:
            continue
        about = f"{setting.metadata['help']} [env {_variable(setting)}]"
        if setting.name == "dir":
            parser.add_argument("dir", nargs="?", metavar="DIR", help=about)
        else:
            if setting.default is not None:
                about += f" (default {_text(setting.default)})"
            kind = setting.metadata["kind"]
            how = {"action": argparse.BooleanOptionalAction} if kind is bool else {"metavar": kind.__name__.upper()}
            parser.add_argument(f"--{_flag(setting)}", help=about, **how)


def settings(given: Mapping[str, str | bool | None], environment: Mapping[str, str]) -> Settings:
    """From parsed arguments (None where absent) and the environment. Raises InvalidInput with every problem."""
    values: dict[str, Any] = {}
    environment = meant(environment, PREFIX)
    strange = unknown(environment, map(_variable, fields(Settings)), PREFIX)
    wrong = [Problem(path=(), message=f"{name}: {message}") for name, message in strange.items()]
    given_as: dict[str, str] = {}
    for setting in fields(Settings):
        text, where = given.get(setting.name), f"--{_flag(setting)}" if setting.name != "dir" else "DIR"
        if text is None:
            text, where = environment.get(_variable(setting)), _variable(setting)
        if text is None:
            continue
        text = _text(text)
        try:
            values[setting.name] = _value(setting, text)
        except ValueError as error:
            wrong.append(Problem(path=(), message=f"{where}: got {text!r}, expected {error}"))
        given_as[setting.name] = where
    wrong += [Problem(path=(), message=message) for message in _disagreements(given_as)]
    if wrong:
        raise InvalidInput("settings", wrong)
    return Settings(**values)


def _disagreements(given_as: Mapping[str, str]) -> list[str]:
    """What is wrong with these settings together. By name, how each was given."""
    repository = given_as.get("repository")
    if repository is None:
        missing = [] if "dir" in given_as else ["DIR: is missing; give the artifact's directory or s3://bucket/prefix"]
        return missing + [f"{where}: goes with --repository" for name, where in given_as.items() if name in REPOSITORY]
    return [f"{given_as[name]}: is of one model, and {repository} of several" for name in _ONE_MODEL if name in given_as]


def _value(setting: Field[Any], text: str) -> Any:
    """The setting's value. Raises ValueError that says what was expected."""
    about = setting.metadata
    kind, low, high = about["kind"], about["low"], about["high"]
    if kind is bool:
        if text not in (_TRUE, _FALSE):
            raise ValueError(f"{_TRUE} or {_FALSE}")
        return text == _TRUE
    if kind is str:
        if not re.fullmatch(about["pattern"], text):
            raise ValueError(f"text that matches {about['pattern']}")
        return text
    wanted = f"{'an integer' if kind is int else 'a number'} from {low:g} to {high:g}"
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(wanted) from None
    if not low <= value <= high:
        raise ValueError(wanted)
    return value


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flag(setting: Field[Any]) -> str:
    return setting.name.replace("_", "-")


def _variable(setting: Field[Any]) -> str:
    return PREFIX + setting.name.upper()
