// What the workers' metrics pages say, as plain objects that survive JSON. Nothing of k6 is needed here.

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)/;

// Returns the records behind, the seconds behind, the records done and the latency histogram of a page of /metrics.
export function read(page, topic) {
  const found = { lag: 0, lagSeconds: 0, consumed: 0, buckets: {} };
  for (const line of page.split("\n")) {
    const match = SAMPLE.exec(line);
    if (!match) continue;
    const [, name, labels = "", value] = match;
    if (name === "consumer_lag_records" && labels.includes(`topic="${topic}"`)) found.lag += Number(value);
    if (name === "consumer_lag_seconds" && labels.includes(`topic="${topic}"`)) found.lagSeconds = Number(value);
    if (name === "transactions_consumed_total") found.consumed += Number(value);
    if (name === "end_to_end_latency_seconds_bucket") {
      found.buckets[/le="([^"]+)"/.exec(labels)[1]] = Number(value);
    }
  }
  return found;
}

// Returns the value below which `share` of what came between the readings lies, as Prometheus' histogram_quantile does,
// over all workers; null if nothing came. before and now: lists of readings in one order.
export function quantile(share, before, now) {
  const counts = new Map();
  now.forEach((reading, worker) => {
    for (const [text, count] of Object.entries(reading.buckets)) {
      const bound = text === "+Inf" ? Infinity : Number(text);
      counts.set(bound, (counts.get(bound) || 0) + count - (before[worker].buckets[text] || 0));
    }
  });
  const bounds = [...counts.keys()].sort((one, other) => one - other);
  const total = counts.get(Infinity);
  if (!total) return null;
  const rank = share * total;
  let lower = 0;
  let below = 0;
  for (const bound of bounds) {
    const count = counts.get(bound);
    if (count >= rank) return bound === Infinity ? lower : lower + ((bound - lower) * (rank - below)) / (count - below);
    [lower, below] = [bound, count];
  }
  return lower;
}
