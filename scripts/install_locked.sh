#!/bin/sh
# Inside an image's build: install a lock with the pip of the stage `build`. Usage: install_locked.sh PYTHON LOCK
# The secrets pip-config and ca-certificates, if the build has them, name a mirror and whom to trust.
set -eu
if [ -f /run/secrets/pip-config ]; then export PIP_CONFIG_FILE=/run/secrets/pip-config; fi
if [ -f /run/secrets/ca-certificates ]; then export PIP_CERT=/run/secrets/ca-certificates; fi
exec /opt/build/bin/pip --python "$1" install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r "$2"
