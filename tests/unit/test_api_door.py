"""The door of the API without servers: keys, rates, the access log, bodies, and the generated document."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from http import HTTPStatus
from types import SimpleNamespace

import pytest

from service import openapi, page
from service.calls.holds import Why
from service.calls.verdicts import Search
from service.door import access, bodies, keys
from service.door.access import AccessLog
from service.door.keys import Keys
from service.door.problems import TITLES, Problem
from service.door.rates import Bucket
from service.routes import ROUTES
from service.servers import Servers
from stream.verdict_store.door import AccessLine, ApiKey
from stream.verdict_store.door.keys import SCOPES
from stream.verdict_store.errors import UnavailableError


def request(secret: str | None = None, *, client: str = "10.0.0.9", **headers: str) -> SimpleNamespace:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if secret is not None:
        given.append((b"authorization", f"Bearer {secret}".encode()))
    return SimpleNamespace(scope={"headers": given, "client": (client, 1)})


def key_of(secret: str, *scopes: str, rate: int | None = None, expires_at: float | None = None) -> ApiKey:
    digest = hashlib.sha256(secret.encode()).digest()
    return ApiKey(secret, digest, None, frozenset(scopes or SCOPES), rate, expires_at)


class Table:
    """Stands for the table of keys; `gone` is Postgres that does not answer."""

    def __init__(self, *rows: ApiKey) -> None:
        self.rows = list(rows)
        self.gone = False
        self.used: dict[str, float] = {}

    def keys(self) -> list[ApiKey]:
        if self.gone:
            raise UnavailableError("gone")
        return self.rows

    def touch(self, used) -> None:
        if self.gone:
            raise UnavailableError("gone")
        self.used |= used


@pytest.fixture
def made(monkeypatch):
    """Make `Keys` of a table; `wait` waits until its copy is old, or new."""
    monkeypatch.setattr(keys, "EVERY", 0.02)
    monkeypatch.setattr(keys, "FRESH", 0.15)
    monkeypatch.setattr(keys, "SPARE", 0.001)
    opened: list[Keys] = []

    def make(table: Table, **settings) -> Keys:
        one = Keys(table, Servers(), rate=settings.pop("rate", 1000), **settings)
        one.begin()
        opened.append(one)
        return one

    yield make
    for one in opened:
        one.close()


def admit(door: Keys, asked: SimpleNamespace, scope: str = "payments:write") -> ApiKey:
    return asyncio.run(door.admit(asked, scope))


def refusal(door: Keys, asked: SimpleNamespace, scope: str = "payments:write") -> tuple[int, str]:
    with pytest.raises(Problem) as refused:
        admit(door, asked, scope)
    return refused.value.status, json.loads(refused.value.body)["reason"]


def test_a_key_opens_what_its_scopes_allow(made):
    door = made(Table(key_of("good", "payments:write")))
    assert admit(door, request("good")).key_id == "good"
    assert refusal(door, request("good"), "verdicts:read") == (403, "scope-missing")
    assert refusal(door, request("bad")) == (401, "key-invalid")
    assert refusal(door, request()) == (401, "key-missing")
    assert refusal(door, request(authorization="Basic Z29vZA==")) == (401, "key-missing")


def test_a_key_that_was_made_just_now_opens_at_once_and_a_revoked_one_closes(made):
    table = Table()
    door = made(table)
    table.rows = [key_of("new")]
    assert admit(door, request("new")).key_id == "new"
    table.rows = []
    time.sleep(0.3)
    assert refusal(door, request("new")) == (401, "key-invalid")


def test_keys_are_read_on_where_their_use_cannot_be_noted(made, monkeypatch):
    def fails(_used) -> None:
        failed.set()
        raise ValueError("a failure that nobody thought of")

    monkeypatch.setattr(keys, "TOUCH_EVERY", 0.01)
    failed, table = threading.Event(), Table(key_of("good"))
    table.touch = fails
    door = made(table)
    admit(door, request("good"))
    assert failed.wait(20)
    table.rows = []
    time.sleep(0.3)
    assert refusal(door, request("good")) == (401, "key-invalid"), "a revocation is still heard of"


def test_an_expired_key_opens_nothing(made):
    assert refusal(made(Table(key_of("old", expires_at=time.time() - 1))), request("old")) == (401, "key-invalid")


def test_while_the_table_cannot_be_read_keys_in_use_go_on_and_others_are_told_to_wait(made):
    table = Table(key_of("used"), key_of("unused"))
    door = made(table)
    admit(door, request("used"))
    table.gone = True
    time.sleep(0.3)
    assert admit(door, request("used")).key_id == "used"
    assert refusal(door, request("unused")) == (503, "server-gone")
    assert refusal(door, request("stranger")) == (503, "server-gone")
    table.gone = False
    time.sleep(0.3)
    assert admit(door, request("unused")).key_id == "unused"


def test_a_use_long_ago_does_not_count_while_the_table_cannot_be_read(made, monkeypatch):
    monkeypatch.setattr(keys, "GOES_ON", 0.2)
    table = Table(key_of("used"))
    door = made(table)
    admit(door, request("used"))
    table.gone = True
    time.sleep(0.5)
    assert refusal(door, request("used")) == (503, "server-gone")


def test_a_key_has_its_rate_and_is_told_when_to_come_again(made):
    door = made(Table(key_of("slow", rate=2)))
    for _ in range(2):
        admit(door, request("slow"))
    with pytest.raises(Problem) as refused:
        admit(door, request("slow"))
    assert refused.value.status == HTTPStatus.TOO_MANY_REQUESTS
    assert refused.value.headers == {"Retry-After": "1"}


def test_when_a_key_was_used_is_noted(made):
    table = Table(key_of("good"))
    door = made(table)
    admit(door, request("good"))
    door.close()
    assert table.used["good"] == pytest.approx(time.time(), abs=30)


def test_a_copy_that_is_old_is_read_again_before_a_key_is_refused(made, monkeypatch):
    """A process that got no CPU for a while has an old copy, though Postgres answers."""
    door = made(Table(key_of("new")))
    monkeypatch.setattr(keys, "EVERY", 60.0)
    time.sleep(0.3)
    assert admit(door, request("new")).key_id == "new"


def test_a_certificate_counts_from_the_ingress_alone(made):
    row = ApiKey("switch", None, "CN=switch", frozenset(SCOPES), None, None)
    door = made(Table(row), ingress=("10.1.0.0/16",))
    shown = {"ssl_client_subject_dn": "CN=switch", "ssl_client_verify": "SUCCESS"}
    assert admit(door, request(client="10.1.2.3", **shown)).key_id == "switch"
    assert refusal(door, request(client="10.2.0.1", **shown)) == (401, "key-missing")
    assert refusal(door, request(client="10.1.2.3", **shown | {"ssl_client_verify": "NONE"})) == (401, "key-missing")
    unset = made(Table(row))
    assert refusal(unset, request(client="10.1.2.3", **shown)) == (401, "key-missing")


def test_a_bucket_gives_a_second_s_worth_at_once_and_then_as_it_fills():
    bucket = Bucket(10, 0.0)
    assert [bucket.take(10, 0.0) for _ in range(10)] == [0.0] * 10
    assert bucket.take(10, 0.0) == pytest.approx(0.1)
    assert bucket.take(10, 0.1) == 0.0
    assert bucket.take(10, 0.15) == pytest.approx(0.05)


LINE = AccessLine(0, "k", "search:rrn", 1, None, "found")


def test_a_look_up_waits_until_its_line_is_written_and_is_refused_where_it_cannot_be():
    written, is_gone = [], False

    def write(lines) -> None:
        if is_gone:
            raise UnavailableError("gone")
        written.extend(lines)

    log = AccessLog(write)
    log.begin()
    asyncio.run(log.noted(LINE))
    assert written == [LINE]
    is_gone = True
    log.note(LINE._replace(kind="what-if"))
    with pytest.raises(Problem) as refused:
        asyncio.run(log.noted(LINE))
    assert refused.value.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert json.loads(refused.value.body)["reason"] == "not-logged"
    is_gone = False
    log.close()
    assert [line.kind for line in written] == ["search:rrn", "what-if"], "the what-if's line was kept, the other not"


def test_lines_of_what_ifs_are_bounded(monkeypatch):
    monkeypatch.setattr(access, "MOST", 3)
    written: list[AccessLine] = []
    log = AccessLog(written.extend)
    for _ in range(5):
        log.note(LINE)
    log.begin()
    log.close()
    assert len(written) == 3


@pytest.mark.parametrize(
    ("body", "kind", "reason", "field"),
    [
        (b"{", Why, "not-json", None),
        (b"[]", Why, "not-an-object", None),
        (b"{}", Why, "missing-field", "reason"),
        (b'{"reason":5}', Why, "wrong-type", "reason"),
        (b'{"reason":""}', Why, "out-of-range", "reason"),
        (b'{"payer_vpa":"secret"}', Search, "out-of-range", "payer_vpa"),
        (b'{"verdict":"secret"}', Search, "out-of-range", "verdict"),
        (b"[" * 100_000, Why, "not-an-object", None),
    ],
)
def test_a_body_of_another_form_is_refused_without_its_value(body, kind, reason, field):
    with pytest.raises(Problem) as refused:
        bodies.parsed(body, kind)
    said = json.loads(refused.value.body)
    assert (said["reason"], said.get("field")) == (reason, field)
    assert "secret" not in refused.value.body.decode()


def test_items_are_the_very_bytes_that_were_sent():
    assert bodies.items(b' [ {"a": 1.0} ,7,null ] ') == [b'{"a": 1.0}', b"7", b"null"]


def test_the_document_is_what_the_routes_say():
    assert openapi.FILE.read_bytes() == openapi.written(), "run python -m service.openapi"


def test_every_route_needs_a_scope_that_a_key_can_have():
    assert {route.scope for route in ROUTES} == set(SCOPES)


def test_vendored_files_are_the_ones_that_their_source_names():
    named = dict(reversed(line.split("  ")) for line in (page.HERE / "SOURCE").read_text().splitlines()[2:])
    assert set(named) == {"swagger-ui-bundle.js", "swagger-ui.css"}
    for name, digest in named.items():
        assert hashlib.sha256((page.HERE / name).read_bytes()).hexdigest() == digest


def test_every_reason_has_a_title_and_is_documented():
    documented = (openapi.FILE.parents[1] / "docs" / "api.md").read_text()
    assert [reason for reason in TITLES if f"`{reason}`" not in documented] == []
