"""The documentation site: ``make site`` builds it of ``docs/`` (ADR 0028)."""
