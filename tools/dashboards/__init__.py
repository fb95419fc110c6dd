"""Grafana dashboards as code. ``python -m tools.dashboards`` writes them as JSON into the chart's ``files/dashboards``.

Written without Grafana's own Python library, which has a version for each version of Grafana, and whose five megabytes
would serve only these few kinds of panels.
"""
