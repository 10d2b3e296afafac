// A load test by k6 that publishes straight to Kafka. It needs k6 with the extension xk6-kafka (1.x or 2.x), either
//   xk6 build --with github.com/mostafa/xk6-kafka@latest        its own binary, or
//   mostafamoradian/xk6-kafka                                   its own image.
// With plain k6 use k6-bridge.js; without k6 `upifraud load`, which also brings frauds and a day's rhythm.
//
//   UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 METRICS=http://127.0.0.1:9464/metrics \
//       RATE=1000 SECONDS=60 P99_MS=100 MAX_LAG=2000 ./k6 run deploy/load/k6.js
//
// Every payment gets a verdict, so name a test cluster. METRICS names every worker of the group, with commas between.
// Further: BATCH (payments a send, 50), PATIENCE (seconds to finish, 60), MAX_LAG_SECONDS (30), VUS, MAX_VUS,
// UPIFRAUD_TOPIC_TRANSACTIONS. Kafka's security: UPIFRAUD_KAFKA_SASL_MECHANISM (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512),
// _SASL_USERNAME, _SASL_PASSWORD; UPIFRAUD_KAFKA_SSL_CA_LOCATION, _SSL_CERTIFICATE_LOCATION, _SSL_KEY_LOCATION.
// k6 ends with exit code 99 if a threshold is missed.

import {
  BALANCER_MURMUR2,
  SASL_PLAIN,
  SASL_SCRAM_SHA256,
  SASL_SCRAM_SHA512,
  SCHEMA_TYPE_STRING,
  SchemaRegistry,
  TLS_1_2,
  Writer,
} from "k6/x/kafka";
import { sendWith } from "./scenario.js";

export { options, setup, teardown, watch } from "./scenario.js";

const MECHANISMS = { PLAIN: SASL_PLAIN, "SCRAM-SHA-256": SASL_SCRAM_SHA256, "SCRAM-SHA-512": SASL_SCRAM_SHA512 };
const setting = (name) => __ENV[`UPIFRAUD_KAFKA_${name}`];

const writer = new Writer({
  brokers: (setting("BOOTSTRAP_SERVERS") || "127.0.0.1:9092").split(","),
  topic: __ENV.UPIFRAUD_TOPIC_TRANSACTIONS || "transactions",
  autoCreateTopic: false,
  balancer: BALANCER_MURMUR2, // as Java producers choose partitions
  requiredAcks: -1,
  batchTimeout: 5e6, // nanoseconds: waiting to fill a batch would count as the workers' latency
  ...security(),
});
const strings = new SchemaRegistry();
const text = (data) => strings.serialize({ data, schemaType: SCHEMA_TYPE_STRING });

export const pay = sendWith((_topic, payments) => {
  writer.produce({
    messages: payments.map((payment) => ({ key: text(payment.payer_vpa), value: text(JSON.stringify(payment)) })),
  });
});

function security() {
  const found = {};
  const mechanism = setting("SASL_MECHANISM");
  if (mechanism) {
    const algorithm = MECHANISMS[mechanism];
    if (!algorithm) throw new Error(`SASL mechanism: expected one of ${Object.keys(MECHANISMS)}, got ${mechanism}`);
    found.sasl = { username: setting("SASL_USERNAME"), password: setting("SASL_PASSWORD"), algorithm };
  }
  if ((setting("SECURITY_PROTOCOL") || "").endsWith("SSL")) {
    found.tls = {
      enableTls: true,
      insecureSkipTlsVerify: false,
      minVersion: TLS_1_2,
      serverCaPem: setting("SSL_CA_LOCATION"),
      clientCertPem: setting("SSL_CERTIFICATE_LOCATION"),
      clientKeyPem: setting("SSL_KEY_LOCATION"),
    };
  }
  return found;
}
