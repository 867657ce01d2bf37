# posefleet: `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

PROJECT ?=
KEEP ?=
SEED ?= 0

.PHONY: help setup demo test verify generate lock chaos bench clean

help:  ## List the targets.
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Make the virtual environment with everything locked (about 2 minutes, 8 GB).

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "posefleet needs Python 3.11 or later; name one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'
	@echo "installing requirements.lock"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

demo: setup  ## One manifest in, one report out, on a cluster on this computer. PROJECT=folder takes your own data, KEEP=1 leaves it up.
	@$(BIN)/python -m posefleet_demo $(if $(PROJECT),--project "$(PROJECT)") $(if $(KEEP),--keep)

test: setup  ## Unit and integration tests: a real API server, a real object store.
	@$(BIN)/python -m pytest

verify: setup  ## Linters, types, layers, generated files.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/posefleet-generate --check

generate: setup  ## Write crds/ and docs/manifest.md from the API's models.
	$(BIN)/posefleet-generate

lock: setup  ## Resolve pyproject.toml into requirements.lock.
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes --custom-compile-command "make lock" \
	  --no-emit-package posefleet pyproject.toml -o requirements.lock

chaos: setup  ## Every disturbance at random moments; the weights must be those of a quiet run (SEED=n).
	@POSEFLEET_CHAOS_SEED=$(SEED) $(BIN)/python -m pytest tests/chaos

bench: setup  ## Benchmarks, as ratios side by side in one run.
	@for bench in benchmarks/*.py; do echo "== $$bench"; $(BIN)/python $$bench; done

clean:  ## Remove what the targets made here; the cache of built tools stays.
	rm -rf $(VENV) demo-results build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
