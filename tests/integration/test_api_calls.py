"""Every call of the API on real servers: what it answers, and each refusal."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.fixtures.api import ApiProcess, Stack, payment, verdict_path

pytestmark = pytest.mark.servers

PATIENT = "/v1/payments?deadline_ms=10000"


@pytest.fixture
def api(api_stack: Stack) -> ApiProcess:
    return api_stack.apis[0]


def test_a_payment_gets_its_stored_verdict_and_the_same_bytes_again(api_stack: Stack, api: ApiProcess):
    one = payment(payer_vpa="Asha.Rao@OkAxis")
    first = api.call("POST", PATIENT, one, key=api_stack.key)
    again = api.call("POST", PATIENT, one, key=api_stack.key)

    assert first.status == again.status == 200, first.body
    assert first.body == again.body
    record = first.json
    assert record["transaction_id"] == one["transaction_id"]
    assert record["payer_vpa"] == "asha.rao@okaxis"
    assert len(record["reasons"]) > 0
    assert all(reason["text"] for reason in record["reasons"]), "an ALLOW's reasons are full over HTTP"
    ((score, model_id),) = api_stack.query(
        "SELECT score, model_id FROM verdicts WHERE transaction_id = %s", one["transaction_id"]
    )
    assert (record["score"], record["model_id"]) == (score, model_id)
    shown = api.call("GET", verdict_path(one["transaction_id"]), key=api_stack.key)
    assert shown.body == first.body, "every answer about one payment is the one record"


def test_a_payment_is_measured_as_score_said_and_score_keeps_nothing(api_stack: Stack, api: ApiProcess):
    one = payment(device_id="device-1", flow="P2M")
    said = api.call("POST", "/v1/score", one, key=api_stack.key)
    assert said.status == 200, said.body
    assert api.call("GET", verdict_path(one["transaction_id"]), key=api_stack.key).status == 404
    assert api.call("POST", PATIENT, one, key=api_stack.key).status == 200

    explained = api.call("GET", verdict_path(one["transaction_id"]) + "?explain=all", key=api_stack.key).json
    for member in ("features", "contributions", "score", "margin", "verdict", "reasons", "feature_state"):
        assert explained[member] == said.json[member], member
    assert explained["features"]["payer_mean_5m"] == 124_300.0
    assert explained["features"]["payer_seconds_since_last"] is None, "missing is null"


def test_an_id_with_slashes_and_blanks_is_found_by_its_encoded_path(api_stack: Stack, api: ApiProcess):
    name = f"a/b c%2F?{time.time_ns()}"
    assert api.call("POST", PATIENT, payment(transaction_id=name), key=api_stack.key).status == 200
    assert api.call("GET", verdict_path(name), key=api_stack.key).json["transaction_id"] == name


def test_another_payment_under_an_id_is_a_conflict(api_stack: Stack, api: ApiProcess):
    one = payment()
    assert api.call("POST", PATIENT, one, key=api_stack.key).status == 200
    for other in ({"amount_paise": 1}, {"event_time": one["event_time"] - 1}, {"payee_vpa": "other@ybl"}):
        answer = api.call("POST", PATIENT, {**one, **other}, key=api_stack.key)
        assert (answer.status, answer.reason) == (409, "conflicting-duplicate"), other
        assert answer.json["field"] == "transaction_id"


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"amount_paise": 1.5}, "wrong-type", "amount_paise"),
        ({"amount_paise": -7}, "out-of-range", "amount_paise"),
        ({"payer_vpa": "nobody"}, "bad-vpa", "payer_vpa"),
        ({"event_time": "yesterday"}, "bad-time", "event_time"),
        ({"event_time": 4_000_000_000_000}, "time-in-future", "event_time"),
        ({"event_time": 1_764_000_000}, "out-of-range", "event_time"),
    ],
)
def test_what_would_be_a_dead_letter_is_refused_with_its_reason(api_stack, api, change, reason, field):
    answer = api.call("POST", PATIENT, payment(**change), key=api_stack.key)
    assert (answer.status, answer.reason, answer.json["field"]) == (422, reason, field)
    assert all(str(value) not in answer.body.decode() for value in change.values()), "never the value that came"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not-json"),
        (b"{", "not-json"),
        (b"7", "not-an-object"),
        (b"[]", "out-of-range"),
        (b"[" * 100_000, "not-json"),
        (b"\xff\xfe", "not-json"),
        (b'{"a":' + b"9" * 70_000 + b"}", "too-large"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/payments", "/v1/score", "/v1/outcomes"])
def test_a_body_that_is_none_is_refused(api_stack, api, path, body, reason):
    answer = api.call("POST", path, body, key=api_stack.key)
    assert (answer.status, answer.reason) == (422, reason)


def test_of_an_array_each_item_has_its_own_answer(api_stack: Stack, api: ApiProcess):
    good, late = payment(), payment()
    assert api.call("POST", PATIENT, good, key=api_stack.key).status == 200
    items = [good, {}, {**good, "amount_paise": 5}, late, late]
    answer = api.call("POST", PATIENT, items, key=api_stack.key)

    assert answer.status == 200
    assert [item["status"] for item in answer.json] == [200, 422, 409, 200, 200]
    assert answer.json[1]["body"]["reason"] == "missing-field"
    assert answer.json[3] == answer.json[4]
    assert answer.json[0]["body"] == api.call("POST", PATIENT, good, key=api_stack.key).json


def test_arrays_and_bodies_are_bounded(api_stack: Stack, api: ApiProcess):
    many = api.call("POST", "/v1/payments", b"[" + b"1," * 1000 + b"1]", key=api_stack.key)
    assert (many.status, many.reason) == (413, "too-many-items")
    many = api.call("POST", "/v1/score", b"[" + b"1," * 100 + b"1]", key=api_stack.key)
    assert (many.status, many.reason) == (413, "too-many-items")
    large = api.call("POST", "/v1/payments", b" " * 5_000_000, key=api_stack.key)
    assert (large.status, large.reason) == (413, "too-large")
    chunked = api.call("POST", "/v1/payments", None, key=api_stack.key, headers={"Content-Length": "0"})
    assert chunked.status == 422
    head = api.call("GET", "/v1/verdicts/x", key=api_stack.key, headers={"X-Long": "x" * 20_000})
    assert (head.status, head.reason) == (431, "too-large")


@pytest.mark.parametrize("deadline", ["0", "10001", "-1", "1.5", "soon", "", "9" * 30])
def test_a_deadline_that_is_none_is_refused(api_stack, api, deadline):
    answer = api.call("POST", f"/v1/payments?deadline_ms={deadline}", payment(), key=api_stack.key)
    assert answer.status == 422
    assert answer.json["field"] == "deadline_ms"


def test_nowhere_and_the_wrong_method_are_said_as_problems(api_stack: Stack, api: ApiProcess):
    assert api.call("GET", "/v1/nowhere").reason == "not-found"
    wrong = api.call("GET", "/v1/payments", key=api_stack.key)
    assert (wrong.status, wrong.reason, wrong.headers["allow"]) == (405, "method-not-allowed", "POST")


def test_an_outcome_is_published_and_waited_for(api_stack: Stack, api: ApiProcess):
    one = payment()
    assert api.call("POST", PATIENT, one, key=api_stack.key).status == 200
    outcome = {
        "transaction_id": one["transaction_id"],
        "outcome": "FRAUD",
        "reported_at": datetime.now(UTC).isoformat(),
        "typology": "mule",
    }
    assert api.call("POST", "/v1/outcomes", outcome, key=api_stack.key).json["status"] == "ACCEPTED"
    stored = api.call("POST", "/v1/outcomes?wait=true", [outcome, {}], key=api_stack.key).json
    assert [item["status"] for item in stored] == [200, 422]
    assert stored[0]["body"]["status"] == "STORED"
    assert api_stack.query("SELECT outcome FROM outcomes WHERE transaction_id = %s", one["transaction_id"]) == [
        ("FRAUD",)
    ]


def test_verdicts_are_found_by_party_and_rrn_and_the_look_is_logged(api_stack: Stack, api: ApiProcess):
    mine = [payment(payer_vpa="found.me@ybl", rrn="532818274655") for _ in range(3)]
    assert api.call("POST", PATIENT, mine, key=api_stack.key).status == 200
    names = [one["transaction_id"] for one in mine]

    by_payer = api.call("POST", "/v1/verdicts/search", {"payer_vpa": "Found.Me@ybl"}, key=api_stack.key).json
    assert sorted(record["transaction_id"] for record in by_payer["verdicts"]) == sorted(names)
    assert (by_payer["cursor"], by_payer["partial"]) == (None, False)

    found, cursor = [], None
    while True:
        asked = {"payer_vpa": "found.me@ybl", "limit": 1, "cursor": cursor}
        page = api.call("POST", "/v1/verdicts/search", asked, key=api_stack.key).json
        found += [record["transaction_id"] for record in page["verdicts"]]
        if (cursor := page["cursor"]) is None:
            break
    assert sorted(found) == sorted(names)

    lines = api_stack.query("SELECT who, kind, how_many, outcome, asked FROM access_log WHERE kind LIKE 'search:%%'")
    assert {(kind, outcome) for _, kind, _, outcome, _ in lines} >= {("search:payer_vpa", "found")}
    assert all(b"found.me" not in asked for *_, asked in lines), "a hash, not the VPA"


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({}, "missing-field", None),
        ({"payer_vpa": "a@b", "rrn": "532818274655"}, "missing-field", None),
        ({"payer_vpa": "nobody"}, "out-of-range", "payer_vpa"),
        ({"rrn": "12a"}, "out-of-range", "rrn"),
        ({"payer_vpa": 5}, "wrong-type", "payer_vpa"),
        ({"payer_vpa": "a@b", "verdict": "MAYBE"}, "out-of-range", "verdict"),
        ({"payer_vpa": "a@b", "since": 5, "until": 4}, "out-of-range", "since"),
        ({"payer_vpa": "a@b", "cursor": "!"}, "out-of-range", "cursor"),
        ([], "not-an-object", None),
    ],
)
def test_a_search_that_is_none_is_refused(api_stack, api, body, reason, field):
    answer = api.call("POST", "/v1/verdicts/search", body, key=api_stack.key)
    assert (answer.status, answer.reason, answer.json.get("field")) == (422, reason, field)


def test_an_entity_has_its_windows_as_of_now(api_stack: Stack, api: ApiProcess):
    one = payment(device_id="device-of-one")
    assert api.call("POST", PATIENT, one, key=api_stack.key).status == 200
    for kind, name in (("payer", one["payer_vpa"]), ("payee", one["payee_vpa"]), ("device", "device-of-one")):
        said = api.call("POST", "/v1/entities/lookup", {"kind": kind, "id": name}, key=api_stack.key).json
        assert said["known"], kind
        assert said["windows"][f"{kind}_count_24h"] == 1.0
        assert (said["payments"], said["folded"]) == (1, False)
        assert said["first_seen"] == said["last_seen"]
    stranger = api.call("POST", "/v1/entities/lookup", {"kind": "payer", "id": "nobody@ybl"}, key=api_stack.key).json
    assert (stranger["known"], stranger["windows"]["payer_count_30d"], stranger["first_seen"]) == (False, 0.0, None)
    wrong = api.call("POST", "/v1/entities/lookup", {"kind": "device", "id": "x", "id_type": "vpa"}, key=api_stack.key)
    assert (wrong.status, wrong.json["field"]) == (422, "id_type")
    (count,) = api_stack.query("SELECT count(*) FROM access_log WHERE kind LIKE 'entity:%%'")[0]
    assert count == 4


def test_probes_and_meters_need_no_key_and_name_no_payer(api_stack: Stack, api: ApiProcess):
    one = payment(payer_vpa="very.private@ybl")
    assert api.call("POST", PATIENT, one, key=api_stack.key).status == 200
    for path in ("/health", "/healthz", "/readyz"):
        assert api.call("GET", path).json == {"status": "ok", "reasons": [], "waiting_for": {}}
    page = api.call("GET", "/metrics").body.decode()
    assert 'http_request_duration_seconds_count{method="POST",route="/v1/payments",status="200"}' in page
    assert "very.private" not in page
    assert one["transaction_id"] not in page
    assert "very.private" not in api.said()


def test_the_page_loads_nothing_from_elsewhere(api: ApiProcess):
    page = api.call("GET", "/docs")
    assert page.status == 200
    assert "'self'" in page.headers["content-security-policy"]
    for path in ("/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/start.js", "/openapi.json"):
        assert path.encode() in page.body or path == "/openapi.json"
        assert api.call("GET", path).status == 200
