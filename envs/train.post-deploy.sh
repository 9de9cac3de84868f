#!/usr/bin/env bash
# Written by `make lock`. Snakemake runs it in a new environment, from the folder of the workflow.
# Its text is part of what identifies the environment: another digest, another environment.
sh envs/install.sh envs/train.lock.txt ad032e5b09cffcf5d86341059682e5272b37bb0f93a1507a3eaf851925003781
