"""A port to listen on, or an error that says which one cannot be opened and what to set."""

from __future__ import annotations

import socket

from stream.errors import PortTakenError


def listen(host: str, port: int, backlog: int, *, what: str, advice: str) -> socket.socket:
    """Return a socket that listens.

    Raises PortTakenError where it cannot; its message calls the port `what`, and says what to do: `advice`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(backlog)
    except OSError as error:
        listening.close()
        raise PortTakenError(f"{what} {host}:{port} cannot be opened ({error.strerror}). {advice}") from error
    return listening
