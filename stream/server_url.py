"""URLs of servers: read the same by everybody or refused, and shown without what is secret in them.

Clients quote a URL that they cannot read in their errors, password and all. So it is looked at before one gets it, and
nothing that is said here has any part of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

TO_ENCODE: Final = (
    "In a user name or password these must be percent-encoded: % as %25, / as %2F, ? as %3F, # as %23, @ as %40, "
    ": as %3A, [ as %5B, ] as %5D, a blank as %20"
)
_SECRET_WORDS: Final = ("pass", "secret", "token", "credential")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_LAST_PORT: Final = 65535


class UnreadableUrlError(ValueError):
    """The URL would be read otherwise than it was meant, or not at all; the message has no part of it."""


def check_url(text: str, schemes: tuple[str, ...]) -> None:
    """Raise UnreadableUrlError for a URL that a client would not read as it was meant."""
    for problem in _problems(text, schemes):
        raise UnreadableUrlError(problem)


def _problems(text: str, schemes: tuple[str, ...]) -> Iterator[str]:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in schemes:
        yield "it does not begin so"
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        yield f"it has white space or control characters. {TO_ENCODE}"
    network, path, query = _parts(rest)
    account, at, hosts = network.rpartition("@")
    if "@" in account or "@" in path or ("@" in query and not account):
        yield f"it has an @ where the address should be over. {TO_ENCODE}"
    if set("[]") & set(account):
        yield f"there is a bracket before the @. {TO_ENCODE}"
    is_postgres = scheme.startswith("postgres")
    if is_postgres and _BAD_PERCENT.search(text):  # redis-py takes a single % for what it is
        yield f"there is a % without two hexadecimal digits behind it. {TO_ENCODE}"
    for host in hosts.split(",") if is_postgres else [hosts]:
        if not _is_address(host):
            yield (
                f"its port is no number from 1 to {_LAST_PORT}, or it has one colon too many (IPv6 goes in brackets). "
                f"{TO_ENCODE}"
            )
    if is_postgres and any("=" not in option for option in query.split("&") if option):
        yield f"what follows its ? is no name=value. {TO_ENCODE}"
    for host in hosts.split(",") if is_postgres else [hosts]:  # one by one: urlsplit knows no list of them
        try:
            urlsplit(f"{scheme}://{account}{at}{host}")
        except ValueError:
            yield f"it has letters that cannot stand in an address. {TO_ENCODE}"


def _parts(rest: str) -> tuple[str, str, str]:
    """Split what follows the scheme into network location, path (with a fragment) and query."""
    end = next((at for at, letter in enumerate(rest) if letter in "/?#"), len(rest))
    path, _, query = rest[end:].partition("?")
    return rest[:end], path, query


def _is_address(host: str) -> bool:
    name, colon, port = host.rpartition("]")[2].partition(":") if host.startswith("[") else host.partition(":")
    if name and host.startswith("["):
        return False
    return not colon or not port or (port.isascii() and port.isdecimal() and 1 <= int(port) <= _LAST_PORT)


def without_secrets(text: str, mask: str = "********") -> str:
    """Return a URL as it can be shown: no password, nor any option that sounds like one."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    network, path, query = _parts(rest)
    account, at, hosts = network.rpartition("@")
    user, colon, _ = account.partition(":")
    if colon:
        network = f"{user}:{mask}{at}{hosts}"
    shown = "&".join(_option_without_secret(option, mask) for option in query.split("&"))
    return f"{scheme}://{network}{path}{'?' if query else ''}{shown}"


def _option_without_secret(option: str, mask: str) -> str:
    name, equals, _ = option.partition("=")
    return f"{name}{equals}{mask}" if any(word in name.lower() for word in _SECRET_WORDS) else option
