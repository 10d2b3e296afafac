"""Fixtures for all tests."""

pytest_plugins = [
    "tests.fixtures.servers",
    "tests.fixtures.deployment",
    "tests.fixtures.image",
    "tests.fixtures.prometheus",
]
