"""The cluster's tests run against whatever KUBECONFIG points at, and only where asked for (`make test-cluster`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from kubernetes import client

ASKED = "UPIFRAUD_TEST_CLUSTER"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave this folder alone unless asked: its tests make and delete namespaces in a cluster that may be anybody's."""
    return None if os.environ.get(ASKED) else True


@pytest.fixture(scope="session")
def api() -> client.ApiClient:
    """The cluster's API, as KUBECONFIG names it."""
    from kubernetes import client, config
    from urllib3.exceptions import HTTPError

    try:
        connected = config.new_client_from_config()
        client.VersionApi(connected).get_code()
    except (config.ConfigException, HTTPError) as error:
        pytest.fail(
            "The tests of the cluster need one with KEDA: set KUBECONFIG to it. A kind cluster will do, see "
            f".github/workflows/cluster.yml. ({error})",
            pytrace=False,
        )
    return connected
