#!/usr/bin/env bash
# Written by `make lock`. Snakemake runs it in a new environment, from the folder of the workflow.
# Its text is part of what identifies the environment: another digest, another environment.
sh envs/install.sh envs/report.lock.txt 7030da33f9bdeceeb2f7f2beb3752b140518e51fab1de37b1b4c73ff0f213ce6
