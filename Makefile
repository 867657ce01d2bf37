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
GO_ON ?=
MINUTES ?=
RUNS ?= 1
SEED ?= 0
SKIP ?=
JOBS ?= 100 1000 5000

# Python may keep the bytecode of what it imports. Where it may not, each of the many processes that the tests start
# needs more than twice the time to import torch and Lightning.
unexport PYTHONDONTWRITEBYTECODE

REPOSITORY ?= localhost
TAG ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BASE_IMAGE ?=
BUILD_IMAGE = $(PYTHON) scripts/build_image.py --revision "$$(git rev-parse HEAD 2>/dev/null || echo unknown)" $(if $(BASE_IMAGE),--base-image "$(BASE_IMAGE)")

.PHONY: help setup demo test mutants manifests verify branches generate lock images sbom e2e e2e-image chaos bench scale clean

help:  ## List the targets.
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Create the virtual environment from the locked requirements (about 2 minutes, 8 GB).

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "posefleet needs Python 3.11 or later; name one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'
	@echo "installing requirements.lock"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

demo: setup  ## Run one job on a local cluster and write its report. PROJECT=folder uses your data, KEEP=1 keeps the cluster running.
	@$(BIN)/python -m posefleet_demo $(if $(PROJECT),--project "$(PROJECT)") $(if $(KEEP),--keep)

test: setup  ## Run the unit and integration tests, with a real API server and a real object store.
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

manifests: setup  ## Compare what the models and a real API server say of 10,000 changed manifests and 10,000 changed statuses.
	@POSEFLEET_EXAMPLES=10000 $(BIN)/python -m pytest tests/integration/operator/test_built_objects.py tests/integration/operator/test_status_parity.py

mutants: setup  ## Run the mutation tests, which fail below 90 % of mutants killed (ONLY="losses cache" runs these groups).
	@PYTHONPATH=scripts $(BIN)/python -m mutants $(ONLY)

verify: setup  ## Check style, types, import layers, generated files, the chart and the alerts.
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
	@$(MAKE) --no-print-directory branches

# Random lives, and those with an operator that is killed after each write, are left out: they take long, and what others
# leave untested must not depend on chance.
branches: setup  ## Check that the operator's unit tests take every branch of its policies and steps (under a minute).
	$(BIN)/coverage run -m pytest -q tests/unit/operator -k 'not kill_after_any_write and not random_lives' -p no:cacheprovider
	$(BIN)/coverage report

generate: setup  ## Generate crds/ and docs/manifest.md from the API's models, docs/troubleshooting.md from the operator's reasons, and dashboards and docs/metrics.md from charts/dashboards.
	$(BIN)/posefleet-generate
	$(BIN)/python -m posefleet_operator.troubleshooting
	$(BIN)/python charts/dashboards

lock: setup  ## Resolve pyproject.toml into requirements.lock, and derive requirements/ for the images from it.
	@scripts/lock.sh

images:  ## Build both images with buildah or docker (BASE_IMAGE=name, TAG=version, REPOSITORY=registry/path).
	@for image in operator trainer; do $(BUILD_IMAGE) $$image --tag $(REPOSITORY)/posefleet-$$image:$(TAG); done

sbom: setup  ## Write a CycloneDX bill of materials of each image to dist/ (same REPOSITORY and TAG).
	@for image in operator trainer; do $(BIN)/python scripts/sbom.py $(REPOSITORY)/posefleet-$$image:$(TAG) dist/posefleet-$$image.cdx.json; done

# Both targets fail if a program that they need is missing. SKIP=1 skips them on purpose, for people without root.
e2e: setup  ## Run the end-to-end tests on a real node with containerd, kubelet, DNS and Prometheus (needs root and Debian packages).
	@$(if $(SKIP),POSEFLEET_E2E_SKIP=$(SKIP)) $(BIN)/python -m pytest tests/e2e --timeout 1800

e2e-image: setup  ## Build and test the trainer image (needs the same as e2e, and 25 GB of disk).
	@$(if $(SKIP),POSEFLEET_E2E_SKIP=$(SKIP)) POSEFLEET_TRAINER_IMAGE=1 $(BIN)/python -m pytest tests/e2e/test_trainer_image.py tests/e2e/test_trainer_image_job.py

chaos: setup  ## Let every fault of docs/reliability.md strike RUNS times (1) at random moments (SEED=n, ONLY="fault fault", MINUTES=n stops, GO_ON=1 continues), print what it cost and what went wrong, and reconcile 50,000 random steps of jobs' lives.
	@PYTHONPATH=tests $(BIN)/python -m chaos --runs $(RUNS) --seed $(SEED) --only "$(ONLY)" $(if $(GO_ON),--go-on) $(if $(MINUTES),--minutes $(MINUTES)) --table build/chaos.md
	@$(if $(ONLY),,POSEFLEET_STEPS=50000 $(BIN)/python -m pytest tests/unit/operator/test_state_machine.py)

bench: setup  ## Run the benchmarks. Values that are compared are measured in the same run.
	@for bench in benchmarks/*.py; do echo "== $$bench"; PYTHONPATH=tests:scripts $(BIN)/python $$bench; done

scale: setup  ## Measure how many jobs one operator carries, on a real control plane (JOBS="100 1000 5000"; 100 take two minutes).
	@PYTHONPATH=tests:benchmarks $(BIN)/python -m scale $(JOBS)

clean:  ## Remove the files that the targets created here, but keep the cache of built tools.
	rm -rf $(VENV) .coverage demo-results build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
