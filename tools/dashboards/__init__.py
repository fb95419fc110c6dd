"""Grafana dashboards as code. ``python -m tools.dashboards`` writes them as JSON into the chart's ``files/dashboards``.

By hand rather than with Grafana's own library for Python, which comes in a version for each of Grafana's and whose five
megabytes would write these few kinds of panels.
"""
