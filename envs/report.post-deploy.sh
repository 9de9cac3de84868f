#!/usr/bin/env bash
# Written by `make lock`. Snakemake runs it in a new environment, from the folder of the workflow.
# Its text is part of what identifies the environment: another digest, another environment.
sh envs/install.sh envs/report.lock.txt ba318667beb9187bda7f663aadc36790cf97612654b1fc3709c6235e6fce04da
