#!/usr/bin/env bash
# Written by `make lock`. Snakemake runs it in a new environment, from the folder of the workflow.
# Its text is part of what identifies the environment: another digest, another environment.
sh envs/install.sh envs/evaluate.lock.txt 9a339cbea43cf576729a179c27a2ba537023c387a8bf6b1d3bca336817a660cd
