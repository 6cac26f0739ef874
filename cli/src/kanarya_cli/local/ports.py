"""TCP ports on loopback. Called by `stack` before it starts something that listens."""

import random
import socket

import psutil

from kanarya_contracts.problems import KanaryaError

HOST = "127.0.0.1"
"""Where local mode listens, and nowhere else."""


FREE = range(16_384, 32_768)
"""Where a free port is looked for: below those that Linux and macOS give to connections, which come and go all the time, so
that nobody gets the port by chance before what it was found for listens there."""

_ATTEMPTS = 100


class PortInUse(KanaryaError):
    """Somebody else listens there. The message names the port, who holds it where that is known, and what to do."""


def claim(port: int, *, purpose: str, option: str) -> int:
    """A port that is free now: `port` itself, or any where it is 0. Raises PortInUse."""
    if port == 0:
        for candidate in random.sample(FREE, _ATTEMPTS):
            try:
                return claim(candidate, purpose=purpose, option=option)
            except PortInUse:
                continue
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise _in_use(port, purpose, option, error) from None
        return int(probe.getsockname()[1])


def holder(port: int) -> str | None:
    """Who listens on a port, such as `nginx (pid 812)`. None where the system does not tell us."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return None


def _in_use(port: int, purpose: str, option: str, error: Exception) -> PortInUse:
    by = holder(port)
    why = f"is in use by {by}" if by else f"cannot be used: {error}"
    return PortInUse(
        f"port {port} on {HOST}, wanted for {purpose}, {why}. Stop that, choose another port with {option} PORT, "
        f"or let the system choose with {option} 0"
    )
