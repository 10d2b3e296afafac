"""Connections that say nothing, say it slowly, or say too much: bounded, and nobody else is kept out."""

from __future__ import annotations

import socket
import time

import pytest

from tests.fixtures.api import ApiProcess, Stack, payment

pytestmark = pytest.mark.servers


@pytest.fixture
def api(api_stack: Stack) -> ApiProcess:
    return api_stack.apis[0]


def connect(api: ApiProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", api.port), timeout=20)


@pytest.mark.parametrize("many", [2_500, pytest.param(10_000, marks=pytest.mark.long)])
def test_idle_connections_cost_the_oldest_of_them_and_keep_nobody_out(api_stack: Stack, api: ApiProcess, many: int):
    idle = [connect(api) for _ in range(many)]
    try:
        answer = api.call("POST", "/v1/payments?deadline_ms=10000", payment(), key=api_stack.key)
        assert answer.status == 200, answer.body
        idle[0].settimeout(10)
        assert idle[0].recv(1) == b"", "the oldest was closed"
        idle[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        idle[-1].settimeout(10)
        assert idle[-1].recv(12) == b"HTTP/1.1 200", "the youngest is still served"
    finally:
        for one in idle:
            one.close()


@pytest.mark.slow
def test_a_request_that_comes_too_slowly_is_cut_off(api: ApiProcess):
    head, body = connect(api), connect(api)
    head.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    body.sendall(b"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    began = time.monotonic()
    for one in (head, body):
        one.settimeout(40)
        said = b""
        while part := one.recv(4096):
            said += part
        one.close()
        assert said.startswith((b"HTTP/1.1 408", b"HTTP/1.1 401")), said
    assert time.monotonic() - began < 40


def test_a_head_without_end_is_refused(api: ApiProcess):
    with connect(api) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\n")
        said = b""
        try:
            for _ in range(20):
                one.sendall(b"X-Much: " + b"x" * 4096 + b"\r\n")
                time.sleep(0.01)
        except OSError:
            pass  # it hangs up while we are still sending
        try:
            said = one.recv(4096)
        except ConnectionResetError:
            pytest.skip("the answer was lost with the connection")
        assert said.startswith(b"HTTP/1.1 431"), said


def test_what_is_no_http_is_refused_and_the_next_is_served(api: ApiProcess):
    with connect(api) as one:
        one.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        assert one.recv(4096).startswith(b"HTTP/1.1 400")
    with connect(api) as one:
        one.sendall(2 * b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        said, until = b"", time.monotonic() + 10
        while said.count(b"HTTP/1.1 200") < 2 and time.monotonic() < until:
            said += one.recv(4096)
        assert said.count(b"HTTP/1.1 200") == 2, "requests behind each other on one connection"
