#!/usr/bin/env bash
# Written by `make lock`. Snakemake runs it in a new environment, from the folder of the workflow.
# Its text is part of what identifies the environment: another digest, another environment.
sh envs/install.sh envs/train.lock.txt 1da07b0211ffaf0ba0ce71a333116210135b1d933ce3bccadeb9968f904d883f
