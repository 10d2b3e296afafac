"""Ports are free, and stay free of outgoing connections."""

from __future__ import annotations

import socket

from local import ports


def test_port_is_outside_the_range_of_outgoing_connections() -> None:
    low, high = map(int, ports._RANGE_FILE.read_text().split())
    assert not any(low <= ports.free_port() <= high for _ in range(50))


def test_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server((ports.HOST, port := ports.free_port())):
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_port_of_a_server_that_closed_its_connections_is_free_at_once() -> None:
    """Its closed connections linger for a minute (TIME_WAIT); a restart must not wait for them."""
    with socket.create_server((ports.HOST, port := ports.free_port())) as server:
        client = socket.create_connection((ports.HOST, port))
        accepted, _ = server.accept()
        accepted.close()
        client.close()
    assert ports.is_free(port)
