# Everything a developer does here. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests that run at once: most of them wait for processes, so there may be more than cores.
WORKERS ?= 6
# Who has no test left takes some of another's, or the last minute would be that of one worker.
AT_ONCE := -n $(WORKERS) --dist worksteal
# How long `make fuzz` attacks.
SECONDS ?= 600
# Where `make eval` finds queries.jsonl, and perhaps tools.jsonl.
DIR ?= ../shared/discovery
# Without bytecode beside its source, each process that a test starts would read all of ours anew: a fifth of its start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the virtual environment from the lock file

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "MagicTunnel needs Python 3.11 or newer; this is %d.%d (make PYTHON=python3.12 ...)" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(STAMP) ## Serve the shipped example, and say what to paste into a host
	$(BIN)/magictunnel serve -c magictunnel-config.yaml

check: $(STAMP) ## Style, types, layers and size
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest tests/test_architecture.py

test: check ## Everything that must hold, in a few minutes
	$(BIN)/python -m pytest $(AT_ONCE)

stock: $(STAMP) ## The tests once more, over the SDK's transports in place of our own wire
	MAGICTUNNEL_WIRE=sdk $(BIN)/python -m pytest $(AT_ONCE)

peers: $(STAMP) ## Compare with a direct connection to servers that others wrote (npm and PyPI)
	$(BIN)/python -m pytest -c pyproject.toml tests/peers

conformance: $(STAMP) ## Run the official suite directly and through MagicTunnel, and compare check by check
	$(BIN)/python -m tests.conformance $(ARGS)

chaos: $(STAMP) ## Befall ten servers with random faults for five minutes, and judge what 20 clients saw of it
	$(BIN)/python -m tests.chaos $(ARGS)

matrix: $(STAMP) ## Run each behaviour of the protocol in each of its ways, and write the table in docs/protocol.md
	$(BIN)/python -m tests.journeys.matrix_report

answers: $(STAMP) ## Have 100 callers answer 50 questions each, all at once, through shared servers
	MAGICTUNNEL_ROUNDS=50 $(BIN)/python -m pytest tests/journeys/test_answers_land_in_their_own_call.py

bench: $(STAMP) ## Measure us side by side with other gateways and the raw floor, and write docs/performance.md if nothing is left out (an hour and a half)
	$(BIN)/python -m benchmarks.wire.install
	$(BIN)/python -m benchmarks.wire --docs docs --out .peers/bench/run.json $(ARGS)

bench-quick: $(STAMP) ## The same in under three minutes, without the gateways of others
	$(BIN)/python -m benchmarks.wire --quick $(ARGS)

bench-guard: $(STAMP) ## Warn if a call has become dearer, next to the raw asyncio relay in the same run
	$(BIN)/python -m benchmarks.wire.guard $(ARGS)

openapi: $(STAMP) ## Call every tool made of tests/data/openapi, and have the descriptions judge what arrives
	MAGICTUNNEL_OPENAPI=all $(BIN)/python -m pytest tests/generators $(ARGS)

start: $(STAMP) ## Measure how soon a host has its first list
	$(BIN)/python -m benchmarks.wire --measures starts $(ARGS)

fuzz: $(STAMP) ## Attack what we read from others for SECONDS (600)
	$(BIN)/python -m tests.fuzz $(SECONDS)

soak: $(STAMP) ## Make 100,000 calls from 1,000 clients, and see what is left in memory
	$(BIN)/python -m benchmarks.soak $(ARGS)

eval: $(STAMP) ## Measure how well tools are found for the labelled requests in DIR
	@test -d "$(DIR)" || { echo "there is no folder $(DIR): name one with make eval DIR=..."; exit 1; }
	$(BIN)/magictunnel eval "$(DIR)" $(ARGS)

fix: $(STAMP) ## Format, and mend what can be mended by itself
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --fix --quiet .

lock: $(STAMP) ## Resolve the ranges of pyproject.toml into requirements.lock anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--extra dev --output-file requirements.lock pyproject.toml

clean: ## Remove the virtual environment and all caches
	rm -rf $(VENV) .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: help setup run check test stock peers conformance chaos matrix answers bench bench-quick bench-guard openapi start fuzz soak eval fix lock clean
