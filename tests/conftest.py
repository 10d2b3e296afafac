"""Fixtures for all tests."""

pytest_plugins = [
    "tests.fixtures.servers",
    "tests.fixtures.deployment",
    "tests.fixtures.image",
    "tests.fixtures.api",  # imports the first two, which must be known as plugins before
    "tests.fixtures.prometheus",  # and this one imports those
]
