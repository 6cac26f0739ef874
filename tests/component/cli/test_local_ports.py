"""A port is free, or the error says who has it."""

import os
import socket

import pytest

from kanarya_cli.local.ports import FREE, HOST, PortInUse, claim


def test_a_port_in_use_is_named_with_its_holder_and_what_to_do() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(PortInUse) as caught:
            claim(port, purpose="the gateway", option="--port")

    said = str(caught.value)
    assert f"port {port} on {HOST}, wanted for the gateway, is in use by " in said
    assert f"(pid {os.getpid()})" in said
    assert "choose another port with --port PORT, or let the system choose with --port 0" in said


def test_zero_is_any_free_port_that_no_connection_gets_by_chance_and_a_free_one_is_itself() -> None:
    port = claim(0, purpose="a test", option="-")

    assert port in FREE
    assert claim(port, purpose="a test", option="-") == port


def test_a_number_that_is_no_port_is_told() -> None:
    with pytest.raises(PortInUse, match="cannot be used"):
        claim(70000, purpose="a test", option="-")
