"""What is deployed to Kubernetes, and the scripts that write, render and validate it."""
