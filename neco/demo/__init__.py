"""The whole workflow in one command: from nothing to a report, with one line of progress.

    records.py    Snakemake's own lines -> which jobs run, which are done, which failed
    workflow.py   starts Snakemake, keeps its records in a file, draws the progress line
    ending.py     prints the scores, those published beside them, and where the report is

`neco demo` (neco/cli/project.py) calls the last two, one after the other.
"""
