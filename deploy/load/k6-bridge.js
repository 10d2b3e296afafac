// A load test by plain k6 that publishes through an HTTP bridge to Kafka: Confluent REST Proxy (API v2), Strimzi's
// Kafka Bridge or Redpanda's HTTP proxy. The bridge's time counts as latency, so measure its own first; k6.js needs none.
//
//   BRIDGE=http://127.0.0.1:8082 METRICS=http://127.0.0.1:9464/metrics \
//       RATE=1000 SECONDS=60 P99_MS=150 MAX_LAG=2000 k6 run deploy/load/k6-bridge.js
//
// Every payment gets a verdict, so name a test cluster. METRICS names every worker of the group, with commas between.
// Further: BATCH (payments a request, 50), PATIENCE (seconds to finish, 60), MAX_LAG_SECONDS (30), VUS, MAX_VUS,
// UPIFRAUD_TOPIC_TRANSACTIONS. k6 ends with exit code 99 if a threshold is missed.

import { b64encode } from "k6/encoding";
import http from "k6/http";
import { sendWith } from "./scenario.js";

export { options, setup, teardown, watch } from "./scenario.js";

const BRIDGE = (__ENV.BRIDGE || "http://127.0.0.1:8082").replace(/\/$/, "");
// As bytes: in the JSON format the key would go out in quotation marks, and payers would be spread otherwise.
const PARAMETERS = {
  headers: { "Content-Type": "application/vnd.kafka.binary.v2+json", Accept: "application/vnd.kafka.v2+json" },
  tags: { name: "produce" },
};

export const pay = sendWith((topic, payments) => {
  const records = payments.map((payment) => ({
    key: b64encode(payment.payer_vpa),
    value: b64encode(JSON.stringify(payment)),
  }));
  const answer = http.post(`${BRIDGE}/topics/${topic}`, JSON.stringify({ records }), PARAMETERS);
  if (answer.status !== 200) throw new Error(`expected 200 from ${BRIDGE}, got ${answer.error || answer.status}`);
  // Each record has an answer of its own: an offset, or an error code.
  const refused = (answer.json("offsets") || []).filter((one) => one.error_code || one.error);
  if (refused.length) throw new Error(`${refused.length} refused, the first with code ${refused[0].error_code}`);
});
