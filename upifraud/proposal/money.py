"""Which column is the amount, and in which unit and spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upifraud.proposal.amounts import Amounts, Mark, amounts_of, unit_of
from upifraud.proposal.choice import SURE, candidates, quoted
from upifraud.proposal.names import AMOUNT, OUTCOME
from upifraud.proposal.proposal import Option

if TYPE_CHECKING:
    from upifraud.proposal.choice import Candidate
    from upifraud.proposal.proposal import Proposal, Toml
    from upifraud.proposal.sample import Sample


def propose_amount(sample: Sample, proposal: Proposal, chosen: str | None) -> None:
    """Write the line of amount_paise, and ask what its values cannot tell."""
    found = [(one, amounts) for one in candidates(sample, AMOUNT, proposal.used, chosen)
             if (amounts := amounts_of(one.column)) is not None]  # fmt: skip
    named = [pair for pair in found if pair[0].worth >= SURE]
    if not named:
        money = [pair for pair in found if pair[1].fractions and pair[0].worth]
        if len(money) != 1:
            options = (
                Option({"column": one.column.name, "unit": "rupees"}, "numbers")
                for one, amounts in found[:5]
                if not _like_a_place(one) and OUTCOME.worth(one.column.words) < SURE
            )
            proposal.ask("amount_paise", None, "No column's name speaks of the amount.", *options)
            return
        named = money
    candidate, amounts = max(named, key=lambda pair: (pair[0].worth, pair[1].fractions, pair[1].read))
    _write(proposal, candidate, amounts)


def _write(proposal: Proposal, candidate: Candidate, amounts: Amounts) -> None:
    name = candidate.column.name
    unit, why = unit_of(amounts, candidate.column.words)
    said = f"{quoted(name)} by its name"
    whole_paise = unit == "paise" and amounts.plain and not amounts.minus
    if whole_paise and candidate.column.typed(int, str):
        proposal.take("amount_paise", name, f"{said}; paise: {why}", name)
        return
    line: dict[str, Toml] = {"column": name, "unit": unit or "rupees"}
    said += f"; {unit}: {why}" if unit else ""
    if amounts.mark is Mark.COMMA:
        line["decimal"] = ","
        said += "; a comma stands before the fraction"
    if amounts.minus and amounts.minus == amounts.read:
        line["sign"] = "absolute"
        said += "; all amounts are negative, as debits are written, so the sign is left out"
    proposal.take("amount_paise", line, said, name)
    if unit is None:
        example = candidate.column.texts[0]
        proposal.ask(
            "amount_paise", "unit", f"Rupees or paise? {why[0].upper()}{why[1:]}.",
            Option("rupees", f"{example} is {example} rupees"),
            Option("paise", f"{example} is a hundredth of as many rupees"),
        )  # fmt: skip
    if amounts.mark is Mark.UNKNOWN:
        example = amounts.ambiguous or ""
        grouped = "." if "," in example else ","
        other = "," if grouped == "." else "."
        proposal.ask(
            "amount_paise", "decimal", f"Is the mark in {example} one of thousands, or does the fraction begin there?",
            Option(grouped, "it parts thousands"), Option(other, "the fraction begins there"),
        )  # fmt: skip
    if 0 < amounts.minus < amounts.read:
        proposal.notes.append(
            f"{amounts.minus} of {amounts.read} amounts of the sample are negative. Those rows are refused; if they "
            'are payments all the same, write sign = "absolute" into the line of amount_paise.'
        )
    if len(amounts.sides) > 1:
        proposal.notes.append(
            f"{quoted(name)} has debits and credits (Dr, Cr). If a payment stands in two rows, once from each side, "
            "leave the credits out of the file: it would be counted twice."
        )


def _like_a_place(candidate: Candidate) -> bool:
    return not {"lat", "latitude", "long", "lon", "lng", "longitude"}.isdisjoint(candidate.column.words)
