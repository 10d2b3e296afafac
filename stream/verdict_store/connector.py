"""The one file that speaks to PostgreSQL: sessions for the worker's few hot statements, plain ones for all else.

A micro-batch costs three statements, so what a statement costs the client counts. `Session` therefore prepares them
and hands over parameters and COPY buffers as they are, over psycopg's libpq interface: half the client's time of its
cursors. It never waits for ever: a server that does not answer in time counts as gone.
"""

from __future__ import annotations

import select
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format, TransactionStatus

from stream.server_url import TO_ENCODE
from stream.verdict_store.binary import to_epoch_ms
from stream.verdict_store.errors import (
    ContendedError,
    DayMissingError,
    KeyTakenError,
    NotMigratedError,
    PostgresRefusedError,
    RefusedRowsError,
    TooSlowError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from psycopg.abc import Buffer
    from psycopg.pq.abc import PGconn, PGresult

    from stream.errors import StreamError

CONNECT_SECONDS: Final = 5
ANSWER_SECONDS: Final = 30.0

# To look a member of an enum up takes longer than what is done with it.
_DONE: Final = frozenset({ExecStatus.COMMAND_OK.value, ExecStatus.TUPLES_OK.value})
_COPY_IN: Final = ExecStatus.COPY_IN.value
_BINARY: Final = Format.BINARY

_UNIQUE_VIOLATION: Final = "23505"
_QUERY_CANCELED: Final = "57014"
_CHECK_VIOLATION: Final = "23514"
_NOT_MIGRATED: Final = frozenset({"42P01", "42883", "42703"})  # no such table, function, column
_CONTENDED: Final = frozenset({"40001", "40P01", "55P03"})  # serialization, deadlock, lock not available
_UNAVAILABLE: Final = frozenset({"08", "53", "57", "58", "25"})
"""Classes: connection, resources (a full disk), operator (shutdown, cancel), system, read-only after a fail-over."""
_REFUSED_ROWS: Final = frozenset({"22", "23"})


class Statement(NamedTuple):
    """A statement by name; parameters and results travel in binary."""

    name: str
    sql: str


Cells = tuple[bytes | None, ...]


class Session:
    """One session, opened when it is first used and again after it broke; for one thread at a time.

    Every method raises RetryableError where the same call may succeed later, PoisonError for rows that can never be
    stored, FatalError for what somebody must change.
    """

    def __init__(
        self, url: str, *, name: str, settings: Mapping[str, str], answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._url = url
        self._name = name
        self._settings = dict(settings)
        self._answer_seconds = answer_seconds
        self._connection: psycopg.Connection[Any] | None = None
        self._prepared: set[str] = set()
        self._poll, self._awaited = select.poll(), select.POLLIN

    def call(self, statement: Statement, *parameters: bytes) -> list[Cells]:
        """Run a statement in a transaction of its own and return its rows, cells as PostgreSQL sent them."""
        server = self._open()
        try:
            self._prepare(server, statement)
            server.send_query_prepared(statement.name.encode(), parameters, [_BINARY] * len(parameters), _BINARY)
            result = self._answer(server)
        except psycopg.Error as error:
            raise self._gone(str(error)) from error
        except BaseException:
            self.close()
            raise
        self._check(server, result)
        return _rows(result)

    def copy_in(
        self, statement: Statement, buffer: Buffer, then: str = "", *, after: tuple[Statement, int] | None = None
    ) -> list[Cells]:
        """Send a whole COPY in a transaction of its own: all of its rows are stored, or none.

        `then` is a statement behind it in the same transaction. `after` is one with its number that runs once that
        transaction is committed, in one of its own; its rows are returned, cells as text. Both take no exchange more:
        the server asks for the COPY's rows, and answers all at the end of them. Where `after` fails the rows may be
        stored.
        """
        server = self._open()
        try:
            if after is not None:
                self._prepare(server, after[0])
            server.send_query(_script(statement, then, after))
            begun = self._answer(server)
            if begun.status == _COPY_IN:
                server.put_copy_data(buffer)
                server.put_copy_end()
                begun = self._answer(server)
        except psycopg.Error as error:
            raise self._gone(str(error)) from error
        except BaseException:
            self.close()
            raise
        self._check(server, begun)
        return _rows(begun)

    @property
    def server_pid(self) -> int:
        """The process that serves this session, for measuring it."""
        return self._open().backend_pid

    def close(self) -> None:
        """Close the session; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _open(self) -> PGconn:
        if self._connection is None:
            connection = connect(self._url, name=self._name)
            with mapped():
                for setting, value in self._settings.items():
                    connection.execute("SELECT set_config(%s, %s, false)", (setting, value))
            self._connection = connection
            self._prepared.clear()
            self._poll, self._awaited = select.poll(), select.POLLIN
            self._poll.register(connection.pgconn.socket, select.POLLIN)
        return self._connection.pgconn

    def _prepare(self, server: PGconn, statement: Statement) -> None:
        if statement.name in self._prepared:
            return
        server.send_prepare(statement.name.encode(), statement.sql.encode())
        self._check(server, self._answer(server))
        self._prepared.add(statement.name)

    def _answer(self, server: PGconn) -> PGresult:
        """Send what is due and return the statement's last result, or the one that asks for a COPY's rows."""
        deadline = time.monotonic() + self._answer_seconds
        while server.flush():
            self._wait(server, select.POLLIN | select.POLLOUT, deadline)
        answer: PGresult | None = None
        while True:
            while server.is_busy():
                self._wait(server, select.POLLIN, deadline)
            result = server.get_result()
            if result is None:
                break
            answer = result
            if result.status == _COPY_IN:
                break
        if answer is None:
            raise self._gone("the connection closed without an answer")
        return answer

    def _wait(self, server: PGconn, events: int, deadline: float) -> None:
        if events != self._awaited:
            self._poll.modify(server.socket, events)
            self._awaited = events
        ready = self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if not ready:
            raise self._gone(f"no answer in {self._answer_seconds:g} s")
        if ready[0][1] & ~select.POLLOUT:
            server.consume_input()

    def _check(self, server: PGconn, result: PGresult) -> None:
        if result.status in _DONE:
            return
        if server.status != ConnStatus.OK:
            raise self._gone(result.error_message.decode(errors="replace"))
        sqlstate = result.error_field(DiagnosticField.SQLSTATE) or b""
        # The primary message only: details quote the row, and a row has VPAs in it.
        message = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
        error = error_for(sqlstate.decode(), message.decode(errors="replace"))
        if isinstance(error, UnavailableError):
            self.close()
        elif server.transaction_status == TransactionStatus.INERROR:
            self._roll_back(server)
        raise error

    def _roll_back(self, server: PGconn) -> None:
        try:
            server.send_query(b"ROLLBACK")
            self._answer(server)
        except psycopg.Error as error:
            raise self._gone(str(error)) from error
        except BaseException:
            self.close()
            raise

    def _gone(self, why: str) -> UnavailableError:
        self.close()
        return UnavailableError(f"Postgres: expected an answer, got: {' '.join(why.split())}")


def _script(statement: Statement, then: str, after: tuple[Statement, int] | None) -> bytes:
    """Write what is sent with a COPY as one query: statements without a BEGIN are one transaction, all of them."""
    if after is None:
        return (f"{statement.sql}; {then}" if then else statement.sql).encode()
    look, number = after
    return f"BEGIN; {statement.sql}; {then}; COMMIT; EXECUTE {look.name} ({number})".encode()


def _rows(result: PGresult) -> list[Cells]:
    columns = range(result.nfields)
    return [tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples)]


class _EpochMs(Loader):
    """Times come as epoch milliseconds, like everywhere in the program."""

    format = Format.BINARY

    def load(self, data: Buffer) -> int:
        return to_epoch_ms(bytes(data))


def connect(url: str, *, name: str) -> psycopg.Connection[Any]:
    """Open a connection in autocommit; UnavailableError if there is none to be had.

    Raises PostgresRefusedError for a URL that libpq cannot read, whose own error would quote it, password and all.
    """
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise PostgresRefusedError(
            "Postgres: expected a URL that libpq can read in UPIFRAUD_POSTGRES_URL, got a secret that is not shown: "
            f"a part of it is malformed, or an option after its ? is none of libpq's. {TO_ENCODE}."
        ) from None
    try:
        connection: psycopg.Connection[Any] = psycopg.connect(
            url,
            autocommit=True,
            application_name=f"upifraud-{name}",
            connect_timeout=CONNECT_SECONDS,
            # A host that vanished without a word is noticed in half a minute, not in two hours.
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=int(ANSWER_SECONDS * 1000),
        )
        # Statements and the bodies of functions have backslashes in their strings, which an old database may have set
        # to mean something else. Not among the options of the connection: some poolers take none.
        connection.execute(b"SET standard_conforming_strings = on")
        return connection  # noqa: TRY300 - it is what was tried
    except psycopg.OperationalError as error:
        raise UnavailableError(f"Postgres: expected a connection, got: {' '.join(str(error).split())}") from error


class PlainConnection:
    """A connection for what is rare: migrations, housekeeping and scans. Times are epoch milliseconds."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.adapters.register_loader("timestamptz", _EpochMs)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement, or without parameters a script of them, and return its rows."""
        with mapped():
            cursor = self._connection.execute(sql.encode(), parameters or None, binary=bool(parameters))
            return [] if cursor.description is None else cursor.fetchall()

    def count(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement and return the number of rows that it touched."""
        with mapped():
            return self._connection.execute(sql.encode(), parameters or None).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside, or nothing of it."""
        with mapped(), self._connection.transaction():
            yield

    def stream(self, sql: str, parameters: Sequence[object], rows: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a query in lists of up to `rows`, from a cursor on the server: memory stays bounded."""
        with mapped(), self._connection.transaction():
            cursor = self._connection.cursor("scan", binary=True)
            with cursor:
                cursor.execute(sql.encode(), parameters or None)
                while found := cursor.fetchmany(rows):
                    yield found


@contextmanager
def plain_connection(url: str, *, name: str) -> Iterator[PlainConnection]:
    """Open a connection for what happens inside, and close it."""
    connection = connect(url, name=name)
    try:
        yield PlainConnection(connection)
    finally:
        connection.close()


@contextmanager
def mapped() -> Iterator[None]:
    """Turn psycopg's errors into ours."""
    try:
        yield
    except psycopg.Error as error:
        message = error.diag.message_primary or " ".join(str(error).split())
        raise error_for(error.sqlstate or "", message) from error


def error_for(sqlstate: str, message: str) -> StreamError:
    """Return the error that says what to do about a SQLSTATE; without one the connection broke."""
    text = f"Postgres: {message} [{sqlstate or 'no connection'}]"
    if sqlstate == _QUERY_CANCELED:
        return TooSlowError(text)
    if not sqlstate or sqlstate[:2] in _UNAVAILABLE:
        return UnavailableError(text)
    if sqlstate == _UNIQUE_VIOLATION:
        return KeyTakenError(text)
    if sqlstate == _CHECK_VIOLATION and "no partition" in message:
        return DayMissingError(text)
    if sqlstate in _CONTENDED:
        return ContendedError(text)
    if sqlstate in _NOT_MIGRATED:
        return NotMigratedError(f"{text}; run `upifraud migrate`, which makes the tables")
    if sqlstate[:2] in _REFUSED_ROWS:
        return RefusedRowsError(text)
    return PostgresRefusedError(text)
