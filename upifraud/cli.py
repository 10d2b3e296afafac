"""`upifraud`: every command, loaded only when it is called, so that the command line starts fast."""

from __future__ import annotations

import os
import sys

from upifraud.asked_to_stop import PROGRAM, heed_signals

# Where this is the program, and not part of another. Everything below takes time, during which it may be told to stop.
if os.path.basename(sys.argv[0]) == PROGRAM:  # noqa: PTH119 - pathlib takes as long as all of the rest
    heed_signals(sys.argv[1:])

import errno
import importlib
import keyword
from importlib import resources
from typing import Any, cast

import click

from features.errors import FeatureError
from files.errors import SourceError
from local.errors import LocalError
from model.errors import ModelError
from simulator.errors import SimulatorError
from stream.errors import StreamError
from upifraud.demo.errors import DemoError

OURS = (FeatureError, LocalError, ModelError, SimulatorError, SourceError, StreamError, DemoError)
"""The bases of the errors that say what was expected, what came and what to do: a line, not a traceback."""


class LazyGroup(click.Group):
    """Finds its commands in `upifraud.commands`, one module a command, each with an object `command`.

    Whatever is wrong with what a user gave or with a server is one message and exit code 1, in every command.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except OURS as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever read our output has seen enough; click ends quietly
            raise click.ClickException(_told(error)) from error

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Name every command, from the names of the modules."""
        names = (entry.name for entry in resources.files("upifraud.commands").iterdir())
        return sorted(
            name.removesuffix(".py").rstrip("_").replace("_", "-")
            for name in names
            if name.endswith(".py") and not name.startswith("_")
        )

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the module of one command; None if there is no such command."""
        if name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"upifraud.commands.{_module(name)}")
        return cast("click.Command", module.command)


def _module(name: str) -> str:
    """Return the name of a command's module: `try` is a word of Python's own, so its module is `try_`."""
    plain = name.replace("-", "_")
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def _told(error: OSError) -> str:
    """Say what the system refused; libraries that read files put all of it into one text."""
    if error.filename is None or error.strerror is None:
        return " ".join(str(error).split())
    return f"Expected to use {error.filename}, and the system says: {error.strerror}."


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="upi-fraud-stream")
def main() -> None:
    """Fraud verdicts with exact reasons for every UPI payment, at the speed of the payment stream."""
