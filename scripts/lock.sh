#!/usr/bin/env bash
# Resolve pyproject.toml into requirements.lock, and derive the lock files of the images from it. Usage: make lock
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.venv/bin/uv

compile() { # compile OUTPUT ARGUMENT...
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" \
    --no-emit-package posefleet "${@:2}" -o "$1"
}

compile requirements.lock --extra dev --group build pyproject.toml
compile requirements/build.lock --constraint requirements.lock --group build
for image in operator cuda trainer; do
  compile "requirements/$image.lock" --constraint requirements.lock --extra "$image" pyproject.toml
done
