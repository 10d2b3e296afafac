"""`upifraud convert upi-xml`: files of messages become the payments that the stream would take, whole or not at all."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from features.identity import Identities
from stream.decode import decode_payments
from upifraud.cli import main

SAMPLES = Path(__file__).parents[1] / "fixtures" / "files" / "upi"
ADDRESS, NUMBER = "asha.secret@okaxis", "193701507010"


def convert(*args: str | Path) -> Result:
    return CliRunner().invoke(main, ["convert", "upi-xml", *map(str, args)])


def message(name: str, amount: str = "10.00", payee: str = "b@upi", kind: str = "PAY") -> str:
    return (
        f'<ReqPay><Txn id="{name}" ts="2026-01-25T10:30:00+05:30" type="{kind}"/><Payer addr="{ADDRESS}">'
        f'<Ac><Detail name="ACNUM" value="{NUMBER}"/></Ac></Payer><Payees><Payee addr="{payee}">'
        f'<Amount value="{amount}"/></Payee></Payees></ReqPay>\n'
    )


def response(name: str, result: str = "SUCCESS", kind: str = "PAY") -> str:
    return f'<RespPay><Txn id="{name}" type="{kind}"/><Resp result="{result}"/></RespPay>\n'


def written(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_samples_become_the_payments_that_they_should(tmp_path):
    result = convert(SAMPLES, "--out", tmp_path / "out.jsonl")
    assert result.exit_code == 0, result.output
    assert "passed over, no payments: 1 ReqHbt" in result.output
    assert (tmp_path / "out.jsonl").read_text() == (SAMPLES / "expected.jsonl").read_text()


def test_the_stream_takes_every_payment_and_every_field_of_the_samples():
    values = (SAMPLES / "expected.jsonl").read_bytes().splitlines()
    decoded = decode_payments(values, int(time.time() * 1000), Identities(b"k" * 16))
    assert (len(decoded.rows), decoded.rejections, decoded.unusable_optional) == (4, [], {})


def test_what_a_credential_holds_and_names_are_kept_nowhere(tmp_path):
    convert(SAMPLES, "--out", tmp_path / "out.jsonl")
    text = (tmp_path / "out.jsonl").read_text()
    assert not [word for word in ("c2VjcmV0", "Taxi", "Mumbai", 'Good"') if word in text]


def test_a_response_finds_its_request_in_whichever_file_it_is(tmp_path):
    (tmp_path / "a.xml").write_text(response("T1") + response("T2", "FAILURE"))
    (tmp_path / "b.xml").write_text(message("T1") + message("T2") + message("T3"))
    assert convert(tmp_path, "--out", tmp_path / "out.jsonl").exit_code == 0
    said = [(one["transaction_id"], one.get("status")) for one in written(tmp_path / "out.jsonl")]
    assert said == [("T1", "SUCCESS"), ("T2", "DECLINED"), ("T3", None)]


def test_the_answer_of_one_bank_is_not_that_of_the_payment(tmp_path):
    file = tmp_path / "a.xml"
    file.write_text(
        message("T1") + response("T1", kind="DEBIT") + response("T1", "FAILURE") + response("T1", kind="CREDIT")
    )
    assert convert(file, "--out", tmp_path / "out.jsonl").exit_code == 0
    assert [one["status"] for one in written(tmp_path / "out.jsonl")] == ["DECLINED"]


def test_further_messages_of_a_payment_are_counted_and_others_under_its_id_refused(tmp_path):
    file = tmp_path / "a.xml"
    file.write_text(message("T1") + message("T1", kind="DEBIT") + message("T1", amount="11.00"))
    result = convert(file, "--out", tmp_path / "out.jsonl", "--max-rejected-payments", "50%")
    assert result.exit_code == 0, result.output
    assert "1 repeated, 1 refused" in result.output
    assert f"1 conflicting-duplicate ({file}:3: Txn id" in result.output
    assert [one["amount_paise"] for one in written(tmp_path / "out.jsonl")] == [1000]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (message("T2", amount="1.005"), "wrong-type"),
        (message("T2", payee="two@ats@upi"), "bad-vpa"),
        (message("T2").replace("2026", "1999"), "out-of-range"),
        (message("T2").replace("+05:30", ""), "bad-time"),
        (message("T2").replace("2026", "2126"), "time-in-future"),
        (message("T" * 65), "out-of-range"),
        (message("T2").replace(f'addr="{ADDRESS}"', ""), "missing-field"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]>" + message("T2"), "dtd"),
        (message("T2")[:-9], "not-xml"),
    ],
)
def test_what_is_refused_is_told_by_reason_and_place_and_never_shown(bad, reason, tmp_path):
    file, out = tmp_path / "a.xml", tmp_path / "out.jsonl"
    file.write_text("".join(message(f"G{n}") for n in range(9)) + bad)
    out.write_text("as it was")
    result = convert(file, "--out", out)
    assert result.exit_code == 1
    assert f"1 of 10 were refused: 1 {reason} ({file}:10: " in result.output
    assert not [value for value in (ADDRESS, NUMBER, "two@ats", "1.005") if value in result.output]
    assert out.read_text() == "as it was"
    assert sorted(tmp_path.iterdir()) == [file, out]
    allowed = convert(file, "--out", out, "--max-rejected-payments", "10%")
    assert allowed.exit_code == 0, allowed.output
    assert len(written(out)) == 9


def test_files_without_a_message_are_an_error(tmp_path):
    (tmp_path / "a.xml").write_text("<upi:ReqHbt/>")
    assert "the files hold none" in convert(tmp_path, "--out", tmp_path / "out.jsonl").output
    (tmp_path / "empty").mkdir()
    assert ".xml in this directory, got none" in convert(tmp_path / "empty", "--out", tmp_path / "out.jsonl").output


def test_a_file_is_not_written_over_itself(tmp_path):
    (tmp_path / "a.xml").write_text(message("T1"))
    result = convert(tmp_path, "--out", tmp_path / "a.xml")
    assert result.exit_code == 1
    assert (tmp_path / "a.xml").read_text() == message("T1")


@pytest.mark.parametrize("args", [["--out", "out.jsonl"], ["no-such.xml", "--out", "out.jsonl"], [str(SAMPLES)]])
def test_usage_errors_exit_with_two(args):
    assert convert(*args).exit_code == 2
