"""Grafana dashboards as code: one module a dashboard, written to `dashboards/*.json` by `python -m deploy.grafana`."""
