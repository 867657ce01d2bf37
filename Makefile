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
ONLY ?=
SEED ?= 0
SKIP ?=

REPOSITORY ?= localhost
TAG ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BASE_IMAGE ?=
BUILD_IMAGE = $(PYTHON) scripts/build_image.py --revision "$$(git rev-parse HEAD 2>/dev/null || echo unknown)" $(if $(BASE_IMAGE),--base-image "$(BASE_IMAGE)")

.PHONY: help setup demo test mutants verify generate lock images sbom e2e e2e-image chaos bench clean

help:  ## List the targets.
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Make the virtual environment with everything locked (about 2 minutes, 8 GB).

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "posefleet needs Python 3.11 or later; name one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'
	@echo "installing requirements.lock"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

demo: setup  ## One manifest in, one report out, on a cluster on this computer. PROJECT=folder takes your own data, KEEP=1 leaves it up.
	@$(BIN)/python -m posefleet_demo $(if $(PROJECT),--project "$(PROJECT)") $(if $(KEEP),--keep)

test: setup  ## Unit and integration tests: a real API server, a real object store.
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

mutants: setup  ## Change the code in one place at a time; the unit tests must notice 90 % (ONLY="losses cache" measures these groups).
	@PYTHONPATH=scripts $(BIN)/python -m mutants $(ONLY)

verify: setup  ## Linters, types, layers, generated files, the chart, alerts.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/posefleet-generate --check
	$(BIN)/python -m posefleet_operator.troubleshooting --check
	$(BIN)/python charts/dashboards --check
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m posefleet_lab.chartcheck charts/posefleet --crds crds --manifests examples
	$(BIN)/python -m pytest -q tests/chart tests/unit/monitoring

generate: setup  ## Write crds/ and docs/manifest.md from the API's models, docs/troubleshooting.md from the operator's reasons, dashboards and docs/metrics.md from charts/dashboards.
	$(BIN)/posefleet-generate
	$(BIN)/python -m posefleet_operator.troubleshooting
	$(BIN)/python charts/dashboards

lock: setup  ## Resolve pyproject.toml into requirements.lock, and take requirements/ for the images from it.
	@scripts/lock.sh

images:  ## Build both images with buildah or docker (BASE_IMAGE=name, TAG=version, REPOSITORY=registry/path).
	@for image in operator trainer; do $(BUILD_IMAGE) $$image --tag $(REPOSITORY)/posefleet-$$image:$(TAG); done

sbom: setup  ## Write a CycloneDX bill of materials of each image to dist/ (same REPOSITORY and TAG).
	@for image in operator trainer; do $(BIN)/python scripts/sbom.py $(REPOSITORY)/posefleet-$$image:$(TAG) dist/posefleet-$$image.cdx.json; done

# Without what they need, both fail and name it; SKIP=1 is for people without root, who skip them on purpose.
e2e: setup  ## A real node: containerd, kubelet, cluster DNS, Prometheus (root, Debian packages; SKIP=1 skips if they are missing).
	@$(if $(SKIP),POSEFLEET_E2E_SKIP=$(SKIP)) $(BIN)/python -m pytest tests/e2e --timeout 1800

e2e-image: setup  ## Build the trainer image and try it (as e2e; 25 GB of disk).
	@$(if $(SKIP),POSEFLEET_E2E_SKIP=$(SKIP)) POSEFLEET_TRAINER_IMAGE=1 $(BIN)/python -m pytest tests/e2e/test_trainer_image.py tests/e2e/test_trainer_image_job.py

chaos: setup  ## Every disturbance at random moments; the weights must be those of a quiet run (SEED=n).
	@POSEFLEET_CHAOS_SEED=$(SEED) $(BIN)/python -m pytest tests/chaos

bench: setup  ## Benchmarks: what is compared is measured in one run.
	@for bench in benchmarks/*.py; do echo "== $$bench"; PYTHONPATH=tests:scripts $(BIN)/python $$bench; done

clean:  ## Remove what the targets made here; the cache of built tools stays.
	rm -rf $(VENV) demo-results build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
