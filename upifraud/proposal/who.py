"""Who pays and who is paid, and what a payment is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from upifraud.proposal.choice import SURE, candidates, listed, quoted
from upifraud.proposal.names import PAYEE, PAYER, TRANSACTION_ID
from upifraud.proposal.parties import Party, handles_of, party_of
from upifraud.proposal.proposal import Option

if TYPE_CHECKING:
    from upifraud.proposal.choice import Candidate
    from upifraud.proposal.names import Spoken
    from upifraud.proposal.proposal import Proposal, Toml
    from upifraud.proposal.sample import Column, Sample

NOBODY: Final = "unknown@none"
"""Who pays, or is paid, where no column says it."""

_CLOSE: Final = 0.05
_LONGEST_ID: Final = 64


def propose_parties(sample: Sample, proposal: Proposal, payer_chosen: str | None, payee_chosen: str | None) -> None:
    """Write the lines of payer_vpa and payee_vpa, and ask where no name tells who is who."""
    payers = _parties(sample, proposal, PAYER, payer_chosen)
    payer = _best(payers)
    beside = {*proposal.used, payer.column.name} if payer else proposal.used
    payees = [one for one in _parties(sample, proposal, PAYEE, payee_chosen) if one.column.name not in beside]
    payee = _best(payees)
    if payer is None and payee_chosen is None and payer_chosen is None and _two_addresses(sample, proposal, payee):
        return
    handles = handles_of(payer.column, payee.column if payee else None) if payer else ("party", "party")
    if payer is None:
        _ask_who(sample, proposal, "payer_vpa", "pays", payers)
    else:
        _write(proposal, "payer_vpa", payer, handles[0], payers)
    if payee is None:
        _ask_who(sample, proposal, "payee_vpa", "is paid", payees)
    else:
        _write(proposal, "payee_vpa", payee, handles[1], payees)


def propose_id(sample: Sample, proposal: Proposal, chosen: str | None) -> None:
    """Write the line of transaction_id, if a column is an id by its name and has no value twice."""
    found = candidates(sample, TRANSACTION_ID, proposal.used, chosen)
    fit = [one for one in found if one.worth >= SURE and (one.column.is_unique or chosen) and _is_id(one.column)]
    if fit:
        name = fit[0].column.name
        proposal.take("transaction_id", name, f"{quoted(name)} by its name; no value comes twice", name)


def propose_made_id(sample: Sample, proposal: Proposal) -> None:
    """Write the line of transaction_id where no column is one: a hash of the row, else the row's number."""
    if "transaction_id" in proposal.lines:
        return
    repeated = [one.column for one in candidates(sample, TRANSACTION_ID, proposal.used, None) if one.worth >= SURE]
    lacking = f"{quoted(repeated[0].name)} has values twice or none" if repeated else "no column is an id by its name"
    parts = _columns_of(proposal)
    rows = list(zip(*(sample[name].values for name in parts), strict=True)) if parts else []
    if len(parts) > 2 and rows and len(set(map(repr, rows))) == len(rows):
        columns: list[Toml] = [*parts]
        proposal.take(
            "transaction_id",
            {"hash_of": columns},
            f"{lacking}; a hash of {listed(parts)} is the same in every file, and no two rows of the sample have the "
            "same",
        )
    else:
        proposal.take(
            "transaction_id",
            {"row_number": "ROW-"},
            f"{lacking}, and rows can be alike in all that matters: the number of the row names the payment, in this "
            "file only",
        )


def _parties(sample: Sample, proposal: Proposal, spoken: Spoken, chosen: str | None) -> list[Candidate]:
    found = [(one, party) for one in candidates(sample, spoken, proposal.used, chosen)
             if (one.worth or chosen) and (party := party_of(one.column)) is not None]  # fmt: skip
    return [one for one, _ in sorted(found, key=lambda pair: -_worth(*pair))]


def _worth(one: Candidate, party: Party) -> float:
    """Rank parties: UPI addresses first, then the name; a column of very few values tells nobody from anybody."""
    return (
        one.worth
        + 0.3 * party.addresses * (one.worth > 0)
        - 0.3 * (200 * party.distinct < len(one.column.values))
        + 1e-9 * party.distinct
    )


def _best(found: list[Candidate]) -> Candidate | None:
    sure = [one for one in found if one.worth >= SURE]
    return sure[0] if sure else None


def _write(proposal: Proposal, target: str, one: Candidate, handle: str, others: list[Candidate]) -> None:
    column = one.column
    party = party_of(column)
    said = f"{quoted(column.name)} by its name"
    alike = [other.column.name for other in others if other is not one and abs(other.worth - one.worth) < _CLOSE]
    if alike:
        said += f", before {listed(alike[:3])}"
    if party is not None and party.addresses:
        proposal.take(target, column.name, f"{said}; UPI addresses", column.name)
        return
    proposal.take(
        target, {"column": column.name, "handle": handle},
        f"{said}; no UPI addresses, so @{handle} is put behind them", column.name,
    )  # fmt: skip
    if party is not None and party.distinct == 1:
        proposal.notes.append(f"{quoted(column.name)} ({target}) has one value in all rows of the sample.")


def _two_addresses(sample: Sample, proposal: Proposal, payee: Candidate | None) -> bool:
    """Ask who is who where columns hold addresses and their names do not tell; False where there are none."""
    columns = [column for column in sample if column.name not in proposal.used and not column.empty
               and (party := party_of(column)) is not None and party.addresses]  # fmt: skip
    if payee is not None:
        columns = [column for column in columns if column.name != payee.column.name]
        if len(columns) == 1:
            reason = f"{quoted(columns[0].name)} is the only other column with UPI addresses"
            proposal.take("payer_vpa", columns[0].name, reason, columns[0].name)
            _write(proposal, "payee_vpa", payee, "party", [])
            return True
        return False
    if len(columns) < 2:
        return False
    options = [Option(column.name, "UPI addresses") for column in columns[:4]]
    why = f"{listed(column.name for column in columns[:4])} hold UPI addresses, and their names do not say who pays."
    proposal.ask("payer_vpa", None, why, *options)
    proposal.ask("payee_vpa", None, "The one that is paid.", *[*options[1:], options[0]])
    return True


def _ask_who(sample: Sample, proposal: Proposal, target: str, does: str, weak: list[Candidate]) -> None:
    names = [one.column.name for one in weak if one.worth]
    names += [
        column.name
        for column in sample
        if column.name not in proposal.used and column.name not in names and not column.empty
        and (party := party_of(column)) is not None and party.distinct > 1 and not column.typed(float)
    ]  # fmt: skip
    options = []
    for name in names[:4]:
        handle = handles_of(sample[name], None)[0]
        options.append(
            Option({"column": name, "handle": handle}, f"{len(sample[name].counts)} different values in the sample")
        )
    proposal.ask(
        target, None,
        f"No column's name says who {does}. If none does, write under [const]: {target} = \"{NOBODY}\"; what the "
        "history of one side tells is then lost.",
        *options,
    )  # fmt: skip


def _is_id(column: Column) -> bool:
    return all(len(text) <= _LONGEST_ID and text.isprintable() for text in column.texts)


def _columns_of(proposal: Proposal) -> list[str]:
    """Return the columns that the lines of time, parties and amount read."""
    names: list[str] = []
    for target in ("event_time", "payer_vpa", "payee_vpa", "amount_paise"):
        line = proposal.lines.get(target)
        value = line.value if line else None
        if isinstance(value, dict):
            several = value.get("columns", value.get("column", []))
            names += [name for name in (several if isinstance(several, list) else [several]) if isinstance(name, str)]
        elif isinstance(value, str) and value != "?":
            names.append(value)
    return list(dict.fromkeys(names))
