"""Compressed bodies: gzip (RFC 1952) and zstd (RFC 8878), inflated no further than a limit. Called by `http`.

A bomb costs what the limit allows and no more. One member or frame is read: what follows it would be bytes that a reader in
front of us may not have seen.
"""

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

from kanarya_model.core.refusal import Reason, Refusal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_WINDOW_LOG = 23
"""A decoder need not take a larger window than 8 MiB (RFC 8878, 3.1.1.1.2)."""
_GZIP = 31
"""zlib's `wbits` for gzip's header and the largest window."""


class _Inflater(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _zstd() -> _Inflater:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})


def _gzip() -> _Inflater:
    return zlib.decompressobj(wbits=_GZIP)


INFLATERS: dict[bytes, Callable[[], _Inflater]] = {b"gzip": _gzip, b"x-gzip": _gzip, b"zstd": _zstd}
"""Content codings that are read."""


def inflate(content: bytes, coding: bytes, most: int) -> bytes:
    """The body that was compressed; `coding` is one of INFLATERS. Raises Refusal, and inflates `most` bytes at most."""
    name = coding.decode()
    inflater = INFLATERS[coding]()
    try:
        body = inflater.decompress(content, most + 1)
    except (zlib.error, zstd.ZstdError) as error:
        raise Refusal(Reason.BODY, f"body: got {len(content)} bytes that are not {name}, {error}") from None
    if len(body) > most:
        raise Refusal(Reason.LIMIT, f"body: got more than {most} bytes once inflated, expected at most that")
    if not inflater.eof:
        raise Refusal(Reason.BODY, f"body: got {len(content)} bytes of {name} that end too early")
    if inflater.unused_data:
        raise Refusal(Reason.BODY, f"body: got {len(inflater.unused_data)} bytes after the end of the {name}, expected none")
    return body
