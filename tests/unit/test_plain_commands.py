"""Plain commands do what the contract says: what is sent is carried out by a server of a page.

The oracle is `MemoryEntityStore`, which the contract suite holds: the same logs, the same positions, the same replies.
"""

from __future__ import annotations

import random
import struct
from typing import Any

import hiredis
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.entities import DEVICE, PAYEE, PAYER, POSITIONS
from features.errors import StoreCorruptError
from features.measure.risk import FRAUD, pack_report
from features.record import RECORD_BYTES
from features.replica.fold import PANE, Header
from features.store import layout
from features.store.contract import ApplyRequest, Origin
from features.store.memory_store import MemoryEntityStore
from features.store.plain import Found, Plan, Planner
from features.store.replies import FIX
from features.windows import EXPIRY

PEOPLE = [bytes([letter]) * 8 for letter in b"ABCDEFG"]
PHONES = [bytes([letter]) * 8 for letter in b"xyz"]


class Server:
    """Carries out commands on logs, one after the other."""

    def __init__(self, logs: dict[bytes, bytearray]) -> None:
        self.values = {layout.key(name[:1], name[1:]): bytearray(log) for name, log in logs.items()}
        self.expiries: dict[bytes, int] = {}
        self.commands: list[bytes] = []

    def replies(self, commands: bytes) -> list[Any]:
        """Return the replies to packed commands."""
        reader = hiredis.Reader(notEnoughData=None)
        reader.feed(commands)
        replies = []
        while (command := reader.gets()) is not None:
            name, *args = command
            self.commands.append(name)
            replies.append(getattr(self, name.decode().lower())(*args))
        return replies

    def strlen(self, key: bytes) -> int:
        return len(self.values.get(key, b""))

    def append(self, key: bytes, more: bytes) -> int:
        self.values.setdefault(key, bytearray()).extend(more)
        return len(self.values[key])

    def getrange(self, key: bytes, first: bytes, last: bytes) -> bytes:
        log, stop = bytes(self.values.get(key, b"")), int(last) + 1
        return log[max(int(first), -len(log)) : stop or None]

    def mget(self, *keys: bytes) -> list[bytes | None]:
        return [bytes(self.values[key]) if key in self.values else None for key in keys]

    def exists(self, *keys: bytes) -> int:
        return sum(key in self.values for key in keys)

    def pexpire(self, key: bytes, milliseconds: bytes) -> int:
        self.expiries[key] = int(milliseconds)
        return int(key in self.values)

    def correct(self, fixes: bytes) -> None:
        """Put numbers right, as the server function does where nobody folded meanwhile."""
        for fix in np.frombuffer(fixes, dtype=FIX):
            log = self.values[layout.key(bytes([fix["kind"]]), int(fix["identity"]).to_bytes(8, "little"))]
            at = int(fix["end"]) - RECORD_BYTES
            assert log[at : at + 24] == fix["same"].tobytes()
            log[at + int(fix["field"]) :][:4] = b""
            log[at + int(fix["field"]) : at + int(fix["field"]) + 4] = int(fix["value"]).to_bytes(4, "little")


def header(base: int) -> bytes:
    return Header(base, 5_000, 4_000, 1_000, np.zeros(2, dtype=PANE)).pack()


def record(number: int) -> bytes:
    return struct.pack("<QQQII", number, number, number, 0, 9 | 1 << 31)


def entry(number: int, payer: bytes, payee: bytes, device: bytes) -> bytes:
    sent = struct.pack("<QQQII", number, 7, number, 5, 0)
    got = struct.pack("<QQQII", number, 8, number, 0, 9 | 1 << 31)
    return payer + payee + device + sent + got + struct.pack("<HQ", 0, number)


def lengths(log: bytes) -> tuple[int, int]:
    """Return the records ever appended, and the bytes of the header."""
    if len(log) % RECORD_BYTES == 0:
        return len(log) // RECORD_BYTES, 0
    _, size, base = struct.unpack_from("<IIQ", log)
    return base + (len(log) - size) // RECORD_BYTES, size


class Case:
    """A store with some logs, and a micro-batch of a worker that knows some of them, rightly or not."""

    def __init__(self, seed: int) -> None:
        self.random = r = random.Random(seed)
        self.store = MemoryEntityStore()
        names = [kind + who for kind in (PAYER.letter, PAYEE.letter) for who in PEOPLE]
        names += [DEVICE.letter + phone for phone in PHONES]
        self.names = names
        for at, name in enumerate(names):
            count, head = r.choice((0, 0, 1, 3, 140)), header(128 * r.randrange(1, 4)) if r.random() < 0.3 else b""
            if count:
                self.store.logs[name] = bytearray(head + b"".join(record(1_000 * at + n + 1) for n in range(count)))
        for who in PEOPLE:
            if r.random() < 0.3:
                self.store.logs[PAYEE.reports + who] = bytearray(pack_report(10, FRAUD, 1) * r.choice((1, 3, 600)))
        self.offset = 1 << 20

    def request(self) -> ApplyRequest:
        """Return a micro-batch, asked for as the replicas of a worker would."""
        r = self.random
        devices = [bytes(8), *PHONES]
        payments = [(r.choice(PEOPLE), r.choice(PEOPLE), r.choice(devices)) for _ in range(r.choice((0, 1, 5, 30)))]
        entries = b"".join(entry(self.offset + n, *payment) for n, payment in enumerate(payments))
        self.offset += len(payments)
        touched = {PAYER.letter + who for payer, payee, _ in payments for who in (payer, payee)}
        touched |= {PAYEE.letter + who for payer, payee, _ in payments for who in (payer, payee)}
        touched |= {DEVICE.letter + device for _, _, device in payments if any(device)}
        reads, absent = [], []
        for name in r.sample(sorted(touched | set(r.sample(self.names, 3))), len(touched)):
            own = sum(
                (name == PAYER.letter + a) + (name == PAYEE.letter + b) + (name == DEVICE.letter + c)
                for a, b, c in payments
            )
            records, size = lengths(bytes(self.store.logs.get(name, b"")))
            base = records - (len(self.store.logs.get(name, b"")) - size) // RECORD_BYTES
            known = r.choice((0, records, records, max(base + 1, records - 1), max(0, base - 5), records + 1))
            expected = (known + own) * RECORD_BYTES
            if known and (size or r.random() < 0.1):
                expected = layout.UNKNOWN_LENGTH if r.random() < 0.8 else expected
            elif not known and r.random() < 0.2:
                expected = layout.UNKNOWN_LENGTH
            if known == expected == 0:
                absent.append(name)
            else:
                reads.append(name + struct.pack("<II", known, expected))
        reads += [PAYEE.reports + who + bytes(8) for who in PEOPLE]
        refresh = b"".join(r.sample(self.names, 2))
        return ApplyRequest(entries, b"".join(reads), b"".join(absent), refresh, [Origin(b"p:0", 0, self.offset)])


def told_of(applied: Any) -> dict[int, tuple[int, bytes]]:
    return dict(zip(applied.replied, zip(applied.totals, map(bytes, applied.logs), strict=True), strict=True))


def planned(request: ApplyRequest, planner: Planner | None = None) -> Plan:
    plan = (planner or Planner()).plan(request, request.refresh)
    assert plan is not None
    return plan


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_logs_and_replies_are_those_of_the_contract(seed: int) -> None:
    case, planner = Case(seed), Planner()
    for _ in range(3):
        server, request = Server(case.store.logs), case.request()
        planner.reads_new = case.random.random() < 0.5
        plan = planned(request, planner)
        replies = server.replies(plan.commands)
        assert len(replies) == plan.queued
        plan.take(replies)
        found = plan.found()
        if isinstance(found, list):
            for log in found:
                plan.put_header(log, server.getrange(layout.key(*plan.name(log)), b"0", b"15"))
            found = plan.found()
        assert isinstance(found, Found)
        server.correct(found.fixes)
        expected = case.store.apply(request)
        assert found.applied.positions == expected.positions
        assert server.values == {layout.key(name[:1], name[1:]): log for name, log in case.store.logs.items()}
        told, wanted = told_of(found.applied), told_of(expected)
        others = {*plan.logs["read"][found.again].tolist(), *found.reports}
        assert not others & set(told)
        assert told == {read: what for read, what in wanted.items() if read in told}
        assert set(wanted) <= set(told) | others
        plan.have_reports([read for read in found.reports if read in wanted])
        new = {name for name in case.names if name in (found.new[at : at + 9] for at in range(0, len(found.new), 9))}
        assert server.expiries == {
            layout.key(at[:1], at[1:]): EXPIRY for at in (request.refresh[:9], request.refresh[9:])
        }
        for name in new:
            assert all(record[:8] >= (1 << 20).to_bytes(8, "little")[:0] for record in (case.store.logs[name],))


def test_what_was_written_once_is_not_put_right_again() -> None:
    """The lengths of logs that were touched are remembered, also of those that no replica holds."""
    case, planner, many = Case(1), Planner(), 20
    alice, bob = PEOPLE[:2]
    store = case.store
    store.logs = {PAYEE.letter + alice: bytearray(record(1) * 3), PAYER.letter + bob: bytearray(record(2) * 5)}
    fixes = []
    for number in range(many):
        server = Server(store.logs)
        request = ApplyRequest(entry(number + 1, alice, bob, bytes(8)), b"", b"", b"", [Origin(b"p:0", 0, number + 2)])
        plan = planned(request, planner)
        plan.take(server.replies(plan.commands))
        found = plan.found()
        assert isinstance(found, Found)
        fixes.append(len(found.fixes) // FIX.itemsize)
        store.apply(request)
        assert struct.unpack(f"<{POSITIONS}I", found.applied.positions)[-2:] == (3, 5)
    assert fixes == [2, *(many - 1) * [0]]


def reads_of_reports() -> ApplyRequest:
    return ApplyRequest(b"", b"".join(PAYEE.reports + who + bytes(8) for who in PEOPLE), b"", b"", [])


def test_an_outcome_log_that_had_reports_is_read_at_once() -> None:
    """The next plan asks nothing about it; others are asked for together, as before."""
    planner, report = Planner(), pack_report(10, FRAUD, 1)
    logs = {PAYEE.reports + PEOPLE[2]: bytearray(report * 600), PAYEE.reports + PEOPLE[4]: bytearray(report)}
    first = planned(reads_of_reports(), planner)
    first.take(Server(logs).replies(first.commands))
    found = first.found()
    assert isinstance(found, Found)
    assert found.reports == [*range(len(PEOPLE))]
    first.have_reports([2])
    again, server = planned(reads_of_reports(), planner), Server(logs)
    again.take(server.replies(again.commands))
    assert server.commands == [b"GETRANGE", b"STRLEN", b"EXISTS"]
    found = again.found()
    assert isinstance(found, Found)
    assert told_of(found.applied) == {2: (600 * len(report), report * 512)}
    assert found.reports == [0, 1, 3, 4, 5, 6]


def test_an_outcome_log_that_is_gone_is_not_told_of_and_a_broken_one_is_degraded() -> None:
    planner = Planner()
    planned(reads_of_reports(), planner).have_reports([1, 3])
    plan = planned(reads_of_reports(), planner)
    wrong = hiredis.ReplyError("WRONGTYPE")
    plan.take([b"", 0, wrong, wrong, 0])
    found = plan.found()
    assert isinstance(found, Found)
    assert told_of(found.applied) == {3: (-1, b"")}
    assert found.reports == []


def test_a_log_that_is_no_string_is_not_taken_for_one_that_is_not_there() -> None:
    case = Case(1)
    absent = PAYEE.letter + PEOPLE[0] + PAYER.letter + PEOPLE[1]
    plan = planned(ApplyRequest(b"", b"", absent, b"", []))
    replies = Server({}).replies(plan.commands)
    assert replies == [[None, None], 0]
    plan.take([[None, None], 1])
    with pytest.raises(StoreCorruptError):
        plan.found()
    assert case.names


def test_a_log_that_is_asked_for_twice_has_no_plan() -> None:
    reads = 2 * (PAYER.letter + PEOPLE[0] + struct.pack("<II", 1, 32))
    assert Planner().plan(ApplyRequest(b"", reads, b"", b"", []), b"") is None
