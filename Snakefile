# The workflow lives in workflow/; `snakemake --cores all` runs the paper's configuration.
include: "workflow/Snakefile"


workflow.default_target = "all"
