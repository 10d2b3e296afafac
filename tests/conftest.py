"""Fixtures for all tests."""

pytest_plugins = [
    "tests.fixtures.servers",
    "tests.fixtures.deployment",
    "tests.fixtures.image",
    "tests.fixtures.prometheus",
    "tests.fixtures.api",  # imports the first two, which must be known as plugins before
]
