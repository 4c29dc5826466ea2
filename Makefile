# Targets for people and for CI. `make help` lists them.
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed
BENCH_VENV := .venv-peers

.DEFAULT_GOAL := help

.PHONY: help setup demo test lint types bench bench-peers clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml
	@test -x $(PYTHON) || python3 -m venv $(VENV)
	@if command -v uv >/dev/null; then uv pip install --quiet --python $(PYTHON) -e '.[dev]'; \
	else $(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[dev]'; fi
	@touch $(STAMP)

setup: $(STAMP) ## Make the virtual environment in .venv (done by the others when needed)

demo: $(STAMP) ## Train a sweep of small models, track it, and show what came out
	@$(VENV)/bin/runstream demo

test: $(STAMP) ## Run all tests, linters and type checks
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest -n 2 --dist loadscope

lint: $(STAMP) ## Check style
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(STAMP) ## Check types
	$(VENV)/bin/mypy

bench: $(STAMP) ## Run the benchmarks and print their tables
	$(PYTHON) -m benchmarks

bench-peers: $(STAMP) ## Install MLflow, W&B, Trackio, Aim and TensorBoardX in .venv-peers and compare
	@test -x $(BENCH_VENV)/bin/python || python3 -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e . -r benchmarks/peers.txt
	$(BENCH_VENV)/bin/python -m benchmarks.log_call --peers --markdown docs/benchmarks.md
	$(BENCH_VENV)/bin/python -m benchmarks.sigkill --peers --markdown docs/benchmarks.md

clean: ## Remove the environments and what the demo made
	rm -rf $(VENV) $(BENCH_VENV) .demo .pytest_cache .mypy_cache .ruff_cache
