#!/usr/bin/env bash
# Written by `make lock`. Snakemake runs it in a new environment, from the folder of the workflow.
# Its text is part of what identifies the environment: another digest, another environment.
sh envs/install.sh envs/report.lock.txt c60af00e95279dcc4e5400529abb31cb4c719f021b9783ee77ae64e84c880702
