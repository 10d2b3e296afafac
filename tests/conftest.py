"""Fixtures for all tests."""

import os

pytest_plugins = [
    "tests.fixtures.servers",
    "tests.fixtures.deployment",
    "tests.fixtures.image",
    "tests.fixtures.api",  # imports the first two, which must be known as plugins before
    "tests.fixtures.prometheus",  # and this one imports those
    "tests.fixtures.side_by_side",
    "tests.fixtures.command_line",
]

# A broker lives for minutes here: compiling its code well takes longer than running it, and both cores are wanted.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
