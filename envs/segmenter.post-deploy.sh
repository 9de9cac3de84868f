#!/usr/bin/env bash
# Written by `make lock`. Snakemake runs it in a new environment, from the folder of the workflow.
# Its text is part of what identifies the environment: another digest, another environment.
sh envs/install.sh envs/segmenter.lock.txt 3c6636359da29825cdca2062d86dc86eadb082f92210faccf8b457bd7b4ff437
