# One image for every step of the workflow: docs/containers.md says how it is built, run and renewed.
#
# The base brings no CUDA library that is used: torch's wheels carry their own. It brings what the
# wheels cannot: the variables by which the host's driver is mounted and a too old one is refused,
# and the compatibility libraries for older drivers in data centres. Its CUDA version is torch's.
ARG BASE=nvidia/cuda:13.0.3-base-ubuntu24.04@sha256:7c7413a56200486f71f181cad9310f6fd31b6bb21816ade15fc9c1e1e927a5c1

# hadolint ignore=DL3006
FROM ${BASE}
ENV LANG=C.UTF-8
# g++ compiles the sorting loss on first use, for the processor that it then runs on; Triton compiles
# its launchers with it and Python's headers. libgl1 and libglib2.0-0 are for OpenCV (mmsegmentation).
# The distribution's versions are those of the pinned base's release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates g++ libgl1 libglib2.0-0 python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 neco

# The large layer, built again only when the lock changes. The installer leaves with the step that
# needs it. Bytecode is compiled here because the user who runs the image cannot write it.
ARG UV=0.13.9
COPY requirements.lock /opt/requirements.lock
RUN python3 -m venv /tmp/installer \
    && /tmp/installer/bin/pip install --no-cache-dir "uv==${UV}" \
    && python3 -m venv /opt/venv \
    && /tmp/installer/bin/uv pip install --no-cache --compile-bytecode \
        --python /opt/venv/bin/python --require-hashes -r /opt/requirements.lock \
    && rm -rf /tmp/installer /tmp/uv-*
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/home/neco \
    PYTHONUNBUFFERED=1

WORKDIR /neco
COPY . .
# setuptools comes from the lock, so that this step fetches nothing. The folders that runs write to
# and the home are open to any user: `docker run --user` makes the results belong to the caller.
RUN pip install --no-cache-dir --no-index --no-deps --no-build-isolation -e . \
    && python -m compileall -q neco \
    && mkdir -p data results .snakemake "$HOME/.cache" \
    && chmod 1777 . data results .snakemake "$HOME" "$HOME/.cache"
USER 10001
CMD ["python", "-m", "neco", "--help"]
