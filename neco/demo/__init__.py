"""The whole workflow in one command: from nothing to a report, with one line that says how far it is.

    records.py    what Snakemake writes, line by line -> which jobs run, which are done, which failed
    workflow.py   starts Snakemake, keeps its records in a file and draws the progress line
    ending.py     what is printed at the end: the scores, those published beside them, the report

`neco demo` (neco/cli/project.py) calls the last two, one after the other.
"""
