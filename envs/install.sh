#!/bin/sh
# envs/install.sh LOCK DIGEST: install LOCK, whose SHA-256 is DIGEST, into the active environment.
# uv links its cache's files into every environment on the same disk: torch is stored once.
set -eu
if ! [ -f "$1" ]; then
    echo "$1 is not here: run Snakemake from the folder of the repository" >&2
    exit 1
fi
if ! echo "$2  $1" | sha256sum --check --status; then
    echo "$1 is not the lock that its post-deploy script was written for: run make lock" >&2
    exit 1
fi
uv pip install --quiet --python "$CONDA_PREFIX/bin/python" --require-hashes -r "$1"
