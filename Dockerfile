# Two images: `operator` and `trainer`. docs/images.md describes how they are built and why.

# A Debian or Ubuntu image with Python 3.11 or later. Pin it as name:tag@sha256:...
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS base
RUN python3 -m venv --without-pip /opt/posefleet

# pip and the build backend. The final images mount this stage during the build and contain nothing of it.
FROM base AS build
RUN python3 -m venv /opt/build
COPY scripts/install_locked.sh requirements/build.lock /opt/build/
RUN --mount=type=secret,id=pip-config --mount=type=secret,id=ca-certificates \
    /opt/build/install_locked.sh /opt/build/bin/python /opt/build/build.lock

FROM build AS operator-code
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY operator ./operator
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /dist . && \
    /opt/build/bin/pip --python /opt/posefleet/bin/python install --no-index --no-deps /dist/*.whl && \
    find /opt/posefleet/bin -name 'posefleet*' ! -name posefleet-operator -delete && \
    sed -i '1s|^#!.*|#!/usr/bin/env -S tini -- /opt/posefleet/bin/python3|' /opt/posefleet/bin/posefleet-*

FROM build AS trainer-code
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY operator/posefleet_api ./operator/posefleet_api
COPY trainer_image ./trainer_image
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /dist . && \
    /opt/build/bin/pip --python /opt/posefleet/bin/python install --no-index --no-deps /dist/*.whl && \
    find /opt/posefleet/bin -name 'posefleet-*' ! -name posefleet-trainer ! -name posefleet-synthesize -delete && \
    sed -i '1s|^#!.*|#!/usr/bin/env -S tini -- /opt/posefleet/bin/python3|' /opt/posefleet/bin/posefleet-*

# The common base of both images: an init, a user, bytecode of the standard library, and /tmp as the only writable path.
# The pip of the python images is removed.
FROM base AS runtime
# hadolint ignore=DL3008
RUN if [ ! -x /usr/bin/tini ]; then \
        apt-get update && apt-get install --yes --no-install-recommends tini && \
        rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log; \
    fi && \
    rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip && \
    useradd --uid 65532 --user-group --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin posefleet && \
    python3 -m compileall -q -x 'test|site-packages|dist-packages' \
        "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
ENV PATH=/opt/posefleet/bin:$PATH \
    HOME=/tmp \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    TINI_SUBREAPER=1
WORKDIR /
USER 65532:65532

FROM runtime AS operator
USER 0:0
COPY requirements/operator.lock /opt/posefleet/requirements/
RUN --mount=type=bind,from=build,source=/opt/build,target=/opt/build \
    --mount=type=secret,id=pip-config --mount=type=secret,id=ca-certificates \
    /opt/build/install_locked.sh /opt/posefleet/bin/python /opt/posefleet/requirements/operator.lock
COPY --from=operator-code /opt/posefleet /opt/posefleet
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["posefleet-operator"]
ARG BASE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="posefleet-operator" \
      org.opencontainers.image.description="Runs PoseTrainingJobs on a Kubernetes cluster" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"

FROM runtime AS trainer
ENV TORCHINDUCTOR_CACHE_DIR=/tmp/torchinductor \
    TRITON_CACHE_DIR=/tmp/triton \
    XDG_CACHE_HOME=/tmp/cache \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video \
    NVIDIA_VISIBLE_DEVICES=void
USER 0:0
# CUDA makes up most of the image. It has its own layer, so that nodes keep it cached when anything else changes.
COPY requirements/cuda.lock /opt/posefleet/requirements/
RUN --mount=type=bind,from=build,source=/opt/build,target=/opt/build \
    --mount=type=secret,id=pip-config --mount=type=secret,id=ca-certificates \
    /opt/build/install_locked.sh /opt/posefleet/bin/python /opt/posefleet/requirements/cuda.lock
COPY requirements/trainer.lock /opt/posefleet/requirements/
RUN --mount=type=bind,from=build,source=/opt/build,target=/opt/build \
    --mount=type=secret,id=pip-config --mount=type=secret,id=ca-certificates \
    /opt/build/install_locked.sh /opt/posefleet/bin/python /opt/posefleet/requirements/trainer.lock
COPY --from=trainer-code /opt/posefleet /opt/posefleet
USER 65532:65532
EXPOSE 9400
ENTRYPOINT ["posefleet-trainer"]
ARG BASE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="posefleet-trainer" \
      org.opencontainers.image.description="Trains the model of a PoseTrainingJob" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
