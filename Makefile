# Everything a developer or CI does. `make` lists it. Each target installs what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BENCH_INSTALLED := $(VENV)/.installed-bench
QUIX := .cache/quix
ARGS ?=
# Processes that run tests side by side, each with servers of its own: most of the time a test waits. One for a selection.
TESTERS ?= $(if $(ARGS),0,3)
PYTEST = $(BIN)/pytest --dist loadfile --no-loadscope-reorder
# Three processes with real servers can starve a test on a slow machine. What failed runs once more with nothing beside
# it, and the run says so; one that fails then has failed.
ALONE = { test $$? = 1 && echo "FAILED BESIDE OTHERS, again alone:" && \
	$(PYTEST) -n 0 --maxfail 1 --last-failed --last-failed-no-failures none -m "not long"; }

.DEFAULT_GOAL := help
.PHONY: help install install-bench demo test test-fast test-long test-cluster check lint types drift manifests image rules-test fmt lock model bench bench-quick bench-goals bench-sustain bench-api bench-report up down clean

help: ## List what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

install: $(INSTALLED) ## Make the virtual environment and install everything into it.

$(BENCH_INSTALLED): requirements/bench.txt $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/bench.txt
	@touch $@

# Beside the packages of the virtual environment, which it finds behind its own.
$(QUIX)/.installed: requirements/quix.txt $(INSTALLED)
	test -x $(QUIX)/bin/python || $(BIN)/python -m venv $(QUIX)
	$(QUIX)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/quix.txt
	$(QUIX)/bin/python -m bench.peers.environment $(BIN)/python
	@touch $@

install-bench: $(BENCH_INSTALLED) $(QUIX)/.installed ## Install what the benchmarks need besides.

demo: install ## Run the main job on local servers and show it live (ARGS="--seconds 20").
	$(BIN)/upifraud demo $(ARGS)

test: install ## Run the tests that a change must pass, real servers included (ARGS="-k windows" selects; TESTERS=3 processes).
	$(PYTEST) -n $(TESTERS) -m "not long" $(ARGS) $(if $(ARGS),,|| $(ALONE))

test-fast: install ## Run the tests that need no servers and are not slow; under a minute.
	$(PYTEST) -n $(or $(filter 0,$(TESTERS)),2) -m "not servers and not apache and not slow and not long" $(ARGS)

test-long: install ## Run all tests, those of minutes too, and the full-size run of 300,000 payments.
	UPIFRAUD_TEST_PAYMENTS=300000 $(PYTEST) -n $(TESTERS) $(ARGS)

test-cluster: install ## Run the tests that need Kubernetes with KEDA, on whatever KUBECONFIG points at.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/cluster.txt
	deploy/tools.sh promtool kustomize
	UPIFRAUD_TEST_CLUSTER=1 $(BIN)/pytest tests/cluster $(ARGS)

check: lint types drift manifests test ## What CI runs: lint, types, drift, manifests, tests (of the rules, too).

lint: install ## Check style and the arrows between packages.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install ## Check types.
	$(BIN)/mypy

drift: install ## Check that generated files are what their sources say.
	$(BIN)/python -m stream.schemas --check
	$(BIN)/python -m service.openapi --check
	$(BIN)/python -m features.catalogue --check
	$(BIN)/python -m deploy.grafana --check
	$(BIN)/python -m deploy.k8s.scaled_object --check
	$(BIN)/python -m deploy.k8s.prometheus_rule --check

manifests: install ## Render every overlay and combination of components, and validate them strictly.
	deploy/tools.sh kustomize kubeconform
	$(BIN)/python -m deploy.k8s.manifests $(ARGS)

image: install ## Build the image, with Docker or else podman, and run it on real servers.
	docker version >/dev/null 2>&1 || deploy/tools.sh podman
	image=$$(deploy/image/build.sh) && UPIFRAUD_TEST_IMAGE=$$image $(BIN)/pytest tests/deploy/test_image.py $(ARGS)

fmt: install ## Format, and fix what can be fixed.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m stream.schemas
	$(BIN)/python -m service.openapi
	$(BIN)/python -m features.catalogue
	$(BIN)/python -m deploy.grafana
	$(BIN)/python -m deploy.k8s.scaled_object
	$(BIN)/python -m deploy.k8s.prometheus_rule

lock: install ## Resolve the requirements anew, with hashes.
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
		--extra api --extra local --extra dev --output-file requirements/dev.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--constraint requirements/dev.txt --extra api --output-file requirements/runtime.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--constraint requirements/dev.txt --extra cluster --output-file requirements/cluster.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --extra bench \
		--constraint requirements/dev.txt --output-file requirements/bench.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--group quix --output-file requirements/quix.txt

model: install ## Train the default artifact anew on the simulated history.
	$(BIN)/upifraud simulate --seed 1 --payers 4000 --payments 300000 --fraud-rate 0.004 --out .cache/history
	$(BIN)/upifraud train --payments .cache/history/payments.parquet --outcomes .cache/history/outcomes.parquet \
		--block-precision 0.75 --out model/artifacts/default $(ARGS)

rules-test: install ## Check the Prometheus rules and run their unit tests.
	deploy/tools.sh promtool
	promtool check rules deploy/prometheus/rules/*.yaml
	promtool test rules deploy/prometheus/tests/*.yaml
	$(BIN)/pytest tests/deploy/test_rules.py -k "not unit_tests_say and not promtool_accepts" $(ARGS)

bench: install-bench ## Measure everything in one run, in half an hour (ARGS="--only ramp,latency").
	$(BIN)/python -m bench all --json bench/results/all.json $(ARGS)

bench-quick: install-bench ## Measure rate, latency, cost and rounds in under two minutes.
	$(BIN)/python -m bench quick $(ARGS)

bench-goals: install-bench ## Measure rounds, rates and the knee as one table (ARGS="--against ../before").
	$(BIN)/python -m bench goals --json bench/results/goals.json $(ARGS)

bench-sustain: install-bench ## Hold one rate for ten minutes over grown stores (ARGS="--rate 15000 --hot-payee 1000").
	$(BIN)/python -m bench sustain --json bench/results/sustain.json $(ARGS)

bench-api: install-bench ## Measure the API beside the plain handler and beside the stream, in three minutes.
	$(BIN)/python -m bench api --json bench/results/api.json $(ARGS)

bench-report: install-bench ## Write tables and plots from the raw results.
	$(BIN)/python -m bench report $(wildcard bench/results/*.json) $(ARGS)

up: install ## Start the local servers in the background.
	$(BIN)/upifraud up $(ARGS)

down: install ## Stop the local servers.
	$(BIN)/upifraud down $(ARGS)

clean: ## Remove the virtual environment and all caches.
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis dist build
