"""Grafana dashboards of runstream, as code: one module a dashboard, and what they share in one place each."""
