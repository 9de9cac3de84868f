"""The report in one HTML file, and what stands below its parts.

build        the page, with tables, claims, pictures and conditions of every number
captions     the caption of each part, here and in `snakemake --report`
"""
