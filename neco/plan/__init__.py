"""What a project costs before it runs: a configuration comes in, jobs and GPU-hours come out.

jobs.py        Snakemake's dry run, its jobs, and which of them a file needs
images.py      how many images a split has
arithmetic.py  floating-point operations of a Vision Transformer and of a NeCo step
hours.py       both together with one measured speed: GPU-hours by rule
alone.py       jobs and GPU-hours of every table and figure alone, for docs/paper-map.md
"""
