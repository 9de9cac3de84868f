#!/usr/bin/env bash
# Written by `make lock`. Snakemake runs it in a new environment, from the folder of the workflow.
# Its text is part of what identifies the environment: another digest, another environment.
sh envs/install.sh envs/segmenter.lock.txt 9d40f9fc51a04b59a131a697a0938da2efb77cec6df21b5a4a9fbfb5f6c3b838
