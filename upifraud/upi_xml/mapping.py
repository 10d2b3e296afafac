"""A message as payments: every name of the specification that we read, in one place. Pure. docs/upi-mapping.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from upifraud.upi_xml import values

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from upifraud.upi_xml.element import Element

Payment = dict[str, Any]
TYPES: Final = frozenset({"PAY", "COLLECT"})
LEGS: Final = frozenset({"DEBIT", "CREDIT"})
"""The same payment on its way to the banks."""
REFUND: Final = "REFUND"
STATUSES: Final = {"SUCCESS": "SUCCESS", "FAILURE": "DECLINED"}
PARTIES: Final = {"PERSON": "P2P", "ENTITY": "P2M"}
SUCCEEDED: Final = "00"
RUPEE: Final = "INR"


class Response(NamedTuple):
    """What a RespPay says of a payment."""

    is_leg: bool
    """Of one bank alone, not of the whole payment."""
    status: str | None
    code: str | None
    code_of: dict[str, str]
    """By the payee's address in lower case, where there are several payees."""


@dataclass(slots=True)
class Mapped:
    """What one message came to: payments, or the reason why not."""

    transaction_id: str
    payments: list[Payment] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    """Reason and detail, of the message or of one of its payees."""
    response: Response | None = None
    passed: str | None = None
    """The kind of a message that is no payment."""


def mapped(root: Element, unknown: Counter[str]) -> Mapped:
    """Return the payments of a ReqPay, or what a RespPay says; values that cannot be read are counted by field."""
    txn = root.first("Txn")
    kind = (txn.get("type") or "").upper()
    transaction_id = txn.get("id")
    if kind not in TYPES | LEGS | {REFUND, ""}:
        return Mapped(transaction_id or "", passed=f"{root.name} {kind[:20] if kind.isalpha() else 'of another type'}")
    if transaction_id is None:
        return Mapped("", refusals=[("missing-field", "Txn id: expected the transaction's id")])
    made = Mapped(transaction_id)
    common = _of_transaction(root, txn, kind, unknown)
    if root.name == "RespPay":
        _answer(root, kind, common, made)
    else:
        _request(root, common, made, unknown)
    return made


def answered(payment: Payment, response: Response) -> Payment:
    """Return a payment with what came back for it."""
    code = response.code_of.get(payment.get("payee_vpa", "").lower(), response.code)
    said = {"status": response.status, "response_code": code}
    return payment | {name: value for name, value in said.items() if value is not None}


def _request(root: Element, common: Payment, made: Mapped, unknown: Counter[str]) -> None:
    payer, payees = root.first("Payer"), list(root.first("Payees").all("Payee"))
    paid = {"payer_vpa": payer.get("addr")} | common | _of_payer(payer, unknown)
    if not payees:
        made.refusals.append(("missing-field", "Payees: expected at least one Payee"))
    for number, payee in enumerate(payees, 1):
        where = f"payee {number}: " if len(payees) > 1 else ""
        amount = payee.first("Amount")
        if amount.get("value") is None and len(payees) == 1:
            amount = payer.first("Amount")
        rupees = values.paise(amount.get("value"))
        if (amount.get("curr") or RUPEE).upper() != RUPEE:
            made.refusals.append(("out-of-range", f"{where}Amount curr: expected {RUPEE}"))
        elif amount.get("value") is None:
            made.refusals.append(("missing-field", f"{where}Amount value: expected rupees"))
        elif rupees is None:
            made.refusals.append(("wrong-type", f"{where}Amount value: expected rupees with at most two decimals"))
        else:
            suffix = f"#{number}" if len(payees) > 1 else ""
            own = {
                "transaction_id": made.transaction_id + suffix,
                "payee_vpa": payee.get("addr"),
                "amount_paise": rupees,
            }
            made.payments.append(_known(own | paid | _of_payee(payee, unknown)))


def _answer(root: Element, kind: str, common: Payment, made: Mapped) -> None:
    """Read a response; with both addresses and an amount it is a payment too, for files that lack its request."""
    resp = root.first("Resp")
    payers = [ref for ref in resp.all("Ref") if (ref.get("type") or "").upper() == "PAYER"]
    payees = [ref for ref in resp.all("Ref") if (ref.get("type") or "").upper() == "PAYEE"]
    result = (resp.get("result") or "").upper()
    code = resp.get("errCode") or (SUCCEEDED if result == "SUCCESS" else None)
    codes = {ref.get("addr"): ref.get("respCode") for ref in payees} if len(payees) > 1 else {}
    code_of = {addr.lower(): own for addr, own in codes.items() if addr and own}
    made.response = Response(kind in LEGS, STATUSES.get(result), code, code_of)
    if not payers or not payees:
        made.refusals.append(("missing-field", "Ref: expected a PAYER and a PAYEE, or the payment's ReqPay"))
    for number, ref in enumerate(payees if payers else (), 1):
        where = f"payee {number}: " if len(payees) > 1 else ""
        rupees = values.paise(ref.get("orgAmount") or ref.get("settAmount"))
        if rupees is None:
            made.refusals.append(("wrong-type", f"{where}Ref settAmount: expected rupees with at most two decimals"))
            continue
        suffix = f"#{number}" if len(payees) > 1 else ""
        payment = {
            "transaction_id": made.transaction_id + suffix,
            "payer_vpa": payers[0].get("addr"),
            "payee_vpa": ref.get("addr"),
            "amount_paise": rupees,
        }
        made.payments.append(_known(payment | common))


def _of_transaction(root: Element, txn: Element, kind: str, unknown: Counter[str]) -> Payment:
    mode, note = txn.get("initiationMode"), txn.attributes.get("note", "").strip()
    moment = txn.get("ts") or (root.first("Head").get("ts") if root.name == "ReqPay" else None)
    return _known(
        {
            "event_time": moment,
            "type": kind if kind in TYPES else None,
            "rrn": _read(txn.get("custRef"), "rrn", values.rrn, unknown),
            "remarks_hash": values.remarks(note) if note else None,
            "initiation": values.INITIATIONS.get(mode or ""),
            "initiation_mode": mode,
            "purpose": txn.get("purpose"),
            "ref_category": txn.get("refCategory"),
            "original_transaction_id": txn.get("orgTxnId"),
            "mandate_id": root.first("Mandate").get("umn") or txn.get("umn"),
            "external_scores": _scores(root, txn, unknown),
        }
    )


def _of_payer(payer: Element, unknown: Counter[str]) -> Payment:
    device = _tags(payer.first("Device"), "Tag")
    place = _read(device.get("GEOCODE"), "latitude, longitude", values.place, unknown)
    kind = device.get("TYPE")
    # The first of several credentials is the one that the payer gave; what it holds is never read.
    cred = payer.first("Creds").first("Cred")
    return _party("payer", payer, device, unknown) | _known(
        {
            "device_id": device.get("ID"),
            "device_type": kind and kind.upper(),
            "device_os": device.get("OS"),
            "payer_app": device.get("APP"),
            "ip": device.get("IP"),
            "latitude": place and place[0],
            "longitude": place and place[1],
            "account_type": _account_type(payer),
            "auth_type": cred.get("type"),
        }
    )


def _of_payee(payee: Element, unknown: Counter[str]) -> Payment:
    party = _party("payee", payee, _tags(payee.first("Device"), "Tag"), unknown)
    category = _read(payee.get("code"), "mcc", values.mcc, unknown)
    return party | _known(
        {
            "flow": PARTIES.get(party.get("payee_type", "")),
            "mcc": None if category == values.NO_MERCHANT else category,
            "merchant_id": payee.first("Merchant").first("Identifier").get("mid"),
        }
    )


def _party(side: str, party: Element, device: dict[str, str], unknown: Counter[str]) -> Payment:
    held = _tags(party.first("Ac"), "Detail")
    kind = (party.get("type") or "").upper()
    branch = _read(held.get("IFSC"), f"{side}_ifsc", values.ifsc, unknown)
    identity = party.first("Info").first("Identity")
    number = held.get("ACNUM")
    if number is None and (identity.get("type") or "").upper() == "ACCOUNT":
        number = identity.get("id")
    account = _read(number, f"{side}_account", values.account, unknown)
    return _known(
        {
            f"{side}_type": kind if kind in PARTIES else None,
            f"{side}_account": values.account_of_bank(account, branch),
            f"{side}_ifsc": branch,
            f"{side}_bank": branch and branch[: values.BANK],
            f"{side}_mobile": _read(device.get("MOBILE"), f"{side}_mobile", values.mobile, unknown),
        }
    )


def _account_type(party: Element) -> str | None:
    kind = _tags(party.first("Ac"), "Detail").get("ACTYPE")
    return kind and kind.upper()


def _tags(parent: Element, name: str) -> dict[str, str]:
    """Return the name and value of each Tag or Detail; of two with one name the first."""
    found: dict[str, str] = {}
    for one in parent.all(name):
        key, value = one.get("name"), one.get("value")
        if key and value:
            found.setdefault(key.upper(), value)
    return found


def _scores(root: Element, txn: Element, unknown: Counter[str]) -> list[dict[str, Any]] | None:
    scores = []
    for score in (*txn.first("RiskScores").all("Score"), *root.first("RiskScores").all("Score")):
        value = _read(score.get("value"), "external_scores", values.score, unknown)
        if value is not None:
            given = {"provider": score.get("provider"), "type": score.get("type"), "value": value}
            scores.append(_known(given))
    if len(scores) > values.MOST_SCORES:
        unknown["external_scores"] += len(scores) - values.MOST_SCORES
    return scores[: values.MOST_SCORES] or None


def _read(text: str | None, name: str, read: Callable[[str], Any], unknown: Counter[str]) -> Any:
    """Return what an optional attribute says; what is there and cannot be read is counted and unknown."""
    if text is None:
        return None
    value = read(text)
    if value is None:
        unknown[name] += 1
    return value


def _known(payment: Payment) -> Payment:
    return {name: value for name, value in payment.items() if value is not None}
