"""`upifraud convert`: what others write, as payments."""

from __future__ import annotations

from pathlib import Path

import click

from upifraud.options import max_rejected

EPILOG = """
\b
Examples:
  upifraud convert upi-xml reqpay.xml --out payments.jsonl
  upifraud convert upi-xml day1.xml day2.xml archive/ --out payments.jsonl
      of a directory every *.xml in it, by name
  upifraud convert upi-xml archive/ --out payments.jsonl --max-rejected-payments 5%

\b
A file holds one message or several. A ReqPay becomes a payment for each payee: ID, or ID#1, ID#2. Its RespPay adds
status and response_code, from whichever file. docs/upi-mapping.md has every name. What is refused is told by reason,
file and line, and never shown. Exit codes: 0 written, 1 too much was refused, and nothing was written.
"""


@click.group()
def command() -> None:
    """Convert messages of other systems to payments."""


@command.command("upi-xml", epilog=EPILOG)
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="JSON Lines to write.")
@max_rejected("payments", "1%")
def upi_xml(paths: tuple[Path, ...], out: Path, max_rejected_payments: float) -> None:
    """Convert UPI's XML messages, ReqPay and RespPay, to payments: JSON Lines that all other commands read."""
    from upifraud.progress import steps
    from upifraud.upi_xml.convert import convert, files_of

    files = files_of(paths)
    with steps() as step:
        account = convert(files, out, max_rejected_payments, step("bytes", sum(file.stat().st_size for file in files)))
    click.echo(f"{account.payments:,} payments in {out}")
    for line in account.lines():
        click.echo(line)
