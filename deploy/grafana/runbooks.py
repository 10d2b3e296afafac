"""Links from a panel to the runbooks of the alerts that watch the same thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models import dashboard as models

VARIABLE: Final = "runbooks"
"""The dashboard's variable with the address at which this deployment serves docs/runbooks."""


def runbook_links(alerts: Iterable[str]) -> list[Builder[models.DashboardLink]]:
    """Return a link for each alert."""
    return [
        DashboardLink(f"Runbook: {alert}")
        .type(DashboardLinkType.LINK)
        .url(f"${{{VARIABLE}}}/{alert}.md")
        .target_blank(True)
        for alert in alerts
    ]
