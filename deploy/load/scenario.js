// What both k6 scripts do: send payments at a constant rate, whatever the workers do, and look at these meanwhile.

import { sleep } from "k6";
import http from "k6/http";
import { Counter, Gauge, Trend } from "k6/metrics";
import { payments } from "./payments.js";
import { quantile, read } from "./workers.js";

const TOPIC = __ENV.UPIFRAUD_TOPIC_TRANSACTIONS || "transactions";
const RATE = number("RATE", 500);
const SECONDS = number("SECONDS", 60);
const BATCH = number("BATCH", 50);
const PATIENCE = number("PATIENCE", 60);
const WORKERS = (__ENV.METRICS || "http://127.0.0.1:9464/metrics").split(",");

const lag = new Trend("upifraud_lag_records");
const lagSeconds = new Trend("upifraud_lag_seconds");
const latency = new Gauge("upifraud_latency_p99_ms");
const unfinished = new Gauge("upifraud_unfinished_records");
const notSent = new Counter("upifraud_payments_not_sent");
const silent = new Counter("upifraud_worker_silent");

// RATE payments a second in sends of BATCH: the rate is kept whether or not earlier sends have come back.
export const options = {
  setupTimeout: "60s",
  teardownTimeout: `${PATIENCE + 60}s`,
  scenarios: {
    payments: {
      executor: "constant-arrival-rate",
      exec: "pay",
      rate: RATE,
      timeUnit: `${BATCH}s`,
      duration: `${SECONDS}s`,
      preAllocatedVUs: number("VUS", 20),
      maxVUs: number("MAX_VUS", 200),
    },
    watch: { executor: "constant-vus", exec: "watch", vus: 1, duration: `${SECONDS}s` },
  },
  thresholds: {
    // Without these three it was no test of the workers.
    dropped_iterations: ["count==0"],
    upifraud_payments_not_sent: ["count==0"],
    upifraud_worker_silent: ["count==0"],
    upifraud_unfinished_records: ["value==0"],
    upifraud_latency_p99_ms: [`value<=${number("P99_MS", 100)}`],
    upifraud_lag_records: [`max<=${number("MAX_LAG", 10 * RATE)}`],
    upifraud_lag_seconds: [`max<=${number("MAX_LAG_SECONDS", 30)}`],
  },
};

// Returns what all later stages get: a mark of this run, and where the workers stood before it.
export function setup() {
  notSent.add(0);
  silent.add(0);
  return { run: Date.now().toString(36), before: WORKERS.map(page) };
}

// Sends one batch through `send(topic, payments)`, which throws where it was not taken whole.
export function sendWith(send) {
  return (data) => {
    const batch = payments(`k6-${data.run}-${__VU}-${__ITER}`, BATCH, Date.now());
    try {
      send(TOPIC, batch);
    } catch (error) {
      notSent.add(batch.length);
      console.error(`payments were not sent: ${error}`);
    }
  };
}

export function watch(data) {
  look(data);
  sleep(1);
}

// The workers get PATIENCE seconds to finish. What they tell of their lag is seconds old, so it counts only once nothing
// has moved for longer than that.
export function teardown(data) {
  let last = look(data);
  let quiet = 0;
  for (let waited = 0; waited < PATIENCE && (quiet < 6 || last === null || last.behind > 0); waited += 1) {
    sleep(1);
    const now = look(data);
    quiet = now !== null && last !== null && now.consumed === last.consumed ? quiet + 1 : 0;
    last = now;
  }
  unfinished.add(last === null ? RATE * SECONDS : last.behind);
  // A gauge that was never set would keep every threshold.
  if (last === null || last.p99 === null) latency.add(Number.MAX_SAFE_INTEGER);
}

// Looks at all workers once; returns the records that are behind, those that are done, and the latency (seconds, null
// before any); null if a worker is silent.
function look(data) {
  let now;
  try {
    now = WORKERS.map(page);
  } catch (error) {
    silent.add(1);
    console.error(String(error));
    return null;
  }
  const behind = now.reduce((sum, one) => sum + one.lag, 0);
  lag.add(behind);
  lagSeconds.add(Math.max(...now.map((one) => one.lagSeconds)));
  const p99 = quantile(0.99, data.before, now);
  if (p99 !== null) latency.add(p99 * 1000);
  return { behind, consumed: now.reduce((sum, one) => sum + one.consumed, 0), p99 };
}

function page(url) {
  const answer = http.get(url, { tags: { name: "metrics" } });
  const came = answer.error || answer.status;
  if (answer.status !== 200) throw new Error(`expected a worker's metrics at ${url}, got ${came}: see METRICS`);
  return read(answer.body, TOPIC);
}

function number(name, otherwise) {
  const text = __ENV[name];
  const value = text === undefined || text === "" ? otherwise : Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`${name}: expected a number above 0, got ${text}`);
  return value;
}
