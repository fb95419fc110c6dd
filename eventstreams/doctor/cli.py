"""``eventstreams doctor``."""

import asyncio
import sys
from dataclasses import asdict
from typing import Final

import click

from eventstreams.cli.terminal import harmless_json, harmless_lines
from eventstreams.doctor.examine import examine
from eventstreams.doctor.findings import Finding, Grade, exit_code_of
from eventstreams.durations import parse_duration

_MARK: Final = {Grade.OK: "ok", Grade.WARNING: "WARNING", Grade.PROBLEM: "PROBLEM"}


@click.command()
@click.option("--wait", default="10s", show_default=True, metavar="10s", help="How long to wait for a broker.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="json: one line per finding.")
def doctor(wait: str, output: str) -> None:
    """Check settings, catalogue, plugins and Kafka, and explain what to fix. Changes nothing.

    The exit code is 0 if there are no problems (there may be warnings); otherwise it is that of the first problem: 2
    settings, 4 no broker, 5 catalogue, 6 plugins, 1 anything else. Run it with the same settings as the roles.
    """
    try:
        findings = asyncio.run(examine(parse_duration(wait)))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    for each in findings:
        click.echo(harmless_json(asdict(each)) if output == "json" else harmless_lines(_line(each)))
    sys.exit(exit_code_of(findings))


def _line(finding: Finding) -> str:
    fix = f"\n{'':<9}{finding.fix}" if finding.fix else ""
    return f"{_MARK[finding.grade]:<8} {finding.about}: {finding.fact}{fix}"
