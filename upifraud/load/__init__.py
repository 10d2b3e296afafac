"""A load test with thresholds: payments on schedule, the workers' own metrics, and a yes or no at the end."""
