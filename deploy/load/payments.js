// Payments for a load test: each has an id of its own, parties that come again, and an ordinary amount. Nothing of k6
// is needed here. Frauds, times of day and the rest of a real day come from `upifraud simulate` and `upifraud load`.

const PAYERS = 20000;
const MERCHANTS = 2000;
const APPS = ["okaxis", "ybl", "paytm", "oksbi"];

// Returns `count` payments made at `now` (epoch ms). `mark` is of this call alone: ids begin with it.
export function payments(mark, count, now, random = Math.random) {
  return Array.from({ length: count }, (_, index) => payment(`${mark}-${index}`, now, random));
}

function payment(transaction_id, now, random) {
  const payer = Math.floor(random() * PAYERS);
  const toMerchant = random() < 0.7;
  // The popular merchants get most of it, as the busiest payees of a switch do.
  const payee = Math.floor(random() ** 3 * MERCHANTS);
  return {
    transaction_id,
    event_time: now,
    payer_vpa: vpa("load", payer),
    payee_vpa: toMerchant ? vpa("load-shop", payee) : vpa("load", (payer + 1 + payee) % PAYERS),
    // Rs 1 to Rs 20,000, the small ones most of all.
    amount_paise: Math.round(100 * 10 ** (random() * 4.3)),
    flow: toMerchant ? "P2M" : "P2P",
    type: "PAY",
    initiation: toMerchant ? "QR" : "CONTACT",
    status: "SUCCESS",
    device_id: `load-device-${payer}`,
  };
}

function vpa(name, number) {
  return `${name}${number}@${APPS[number % APPS.length]}`;
}
