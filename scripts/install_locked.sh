#!/bin/sh
# Install a lock file with the pip of the stage `build`, during the build of an image. Usage: install_locked.sh PYTHON LOCK
# The optional build secrets pip-config and ca-certificates configure a mirror and the trusted certificate authorities.
set -eu
if [ -f /run/secrets/pip-config ]; then export PIP_CONFIG_FILE=/run/secrets/pip-config; fi
if [ -f /run/secrets/ca-certificates ]; then export PIP_CERT=/run/secrets/ca-certificates; fi
exec /opt/build/bin/pip --python "$1" install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r "$2"
