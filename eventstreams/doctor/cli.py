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
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="json: a line for each finding."
)
def doctor(wait: str, output: str) -> None:
    """Look at settings, catalogue, plugins and Kafka, and say in words what to mend. Changes nothing.

    Exit code 0: no problem, though there may be warnings; else that of the first problem: 2 settings, 4 no broker,
    5 catalogue, 6 plugins, 1 all others. Run it with the settings of the roles.
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
