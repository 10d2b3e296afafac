"""Pictures of the dashboards for whoever has no Grafana, from any Prometheus."""
