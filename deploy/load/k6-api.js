// A load test of the API by plain k6: VUS callers post payments in a loop, each waits for its answer.
// Without k6 `upifraud load --http` does the same, and also posts on schedule.
//
//   API=http://127.0.0.1:8000 KEY=... VUS=100 SECONDS=60 P95_MS=100 k6 run deploy/load/k6-api.js
//
// Every payment gets a verdict, so name a test system. KEY needs the scope payments:write.
// Further: DEADLINE_MS (the API's own), FINAL (share of answers that must be stored verdicts, 0.95).
// k6 ends with exit code 99 if a threshold is missed.

import http from "k6/http";
import { Rate } from "k6/metrics";
import { payments } from "./payments.js";

const API = (__ENV.API || "http://127.0.0.1:8000").replace(/\/$/, "");
const DEADLINE = __ENV.DEADLINE_MS ? `?deadline_ms=${number("DEADLINE_MS")}` : "";
if (!__ENV.KEY) throw new Error("KEY: expected a key with the scope payments:write, see `upifraud keys create`");
const PARAMETERS = {
  headers: { Authorization: `Bearer ${__ENV.KEY}`, "Content-Type": "application/json" },
  tags: { name: "payments" },
};

const answered = new Rate("upifraud_answered"); // 200, or 202 with a provisional verdict
const final = new Rate("upifraud_final"); // 200: the stored verdict

export const options = {
  scenarios: {
    payments: {
      executor: "constant-vus",
      exec: "pay",
      vus: number("VUS", 100),
      duration: `${number("SECONDS", 60)}s`,
    },
  },
  thresholds: {
    upifraud_answered: ["rate==1"],
    upifraud_final: [`rate>=${number("FINAL", 0.95)}`],
    "http_req_duration{name:payments}": [`p(95)<=${number("P95_MS", 100)}`],
  },
};

// Returns what all callers get: a mark of this run.
export function setup() {
  return { run: Date.now().toString(36) };
}

export function pay(data) {
  const [payment] = payments(`k6-${data.run}-${__VU}-${__ITER}`, 1, Date.now());
  const answer = http.post(`${API}/v1/payments${DEADLINE}`, JSON.stringify(payment), PARAMETERS);
  answered.add(answer.status === 200 || answer.status === 202 ? 1 : 0);
  final.add(answer.status === 200 ? 1 : 0);
}

function number(name, otherwise) {
  const text = __ENV[name];
  const value = text === undefined || text === "" ? otherwise : Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`${name}: expected a number above 0, got ${text}`);
  return value;
}
