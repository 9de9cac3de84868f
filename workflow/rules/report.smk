# Report: metrics and features come in, tables, figures and the report come out.

MODELS_FILE = f"{RESULTS}/models.json"
AGAINST = [
    PROJECT.compared_with(),
    PROJECT.compare.model_dump(include={"replicas", "level", "seed"}),
]


# Every model with what is known of its training. Publishing reads it, and so can those who take
# results along.
rule models:
    input:
        [f"{RESULTS}/runs/{model}/training.json" for model in TRAINED],
    output:
        MODELS_FILE,
    log:
        f"{RESULTS}/logs/models.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        config=SETTINGS,
        runs=lambda wildcards: f"{RESULTS}/runs",
        models=MODELS,
        methods=METHODS,
    shell:
        "python -m neco models --config {params.config} --runs {params.runs} --into {output} >"
        " {log} 2>&1"


# A part of the report reads its own metrics and trainings, not those of the other parts.
rule table:
    input:
        unpack(lambda wildcards: made_from(f"table-{wildcards.table}")),
    output:
        multiext(f"{RESULTS}/tables/table-{{table}}", ".csv", ".md", ".tex"),
        report(
            f"{RESULTS}/tables/table-{{table}}.html",
            category="Tables",
            labels={"table": "{table}"},
            caption="../report/table.rst",
        ),
    log:
        f"{RESULTS}/logs/tables/{{table}}.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        step=lambda wildcards: f"table {wildcards.table}",
        config=SETTINGS,
        read=lambda wildcards: f"--metrics {RESULTS}/metrics --runs {RESULTS}/runs",
        folder=lambda wildcards, output: Path(output[0]).parent,
        methods=lambda wildcards: methods_in(f"table-{wildcards.table}"),
    shell:
        "python -m neco {params.step} --config {params.config} {params.read} --into"
        " {params.folder} > {log} 2>&1"


use rule table as summary with:
    input:
        unpack(lambda wildcards: made_from("summary")),
    output:
        multiext(f"{RESULTS}/tables/summary", ".csv", ".md"),
        report(
            f"{RESULTS}/tables/summary.html",
            category="Summary",
            labels={"table": "models and gains"},
            caption="../report/summary.rst",
        ),
    log:
        f"{RESULTS}/logs/summary.log",
    params:
        step="summary",
        against=AGAINST,
        methods=METHODS,


use rule table as verify with:
    input:
        unpack(lambda wildcards: made_from("claims")),
    output:
        multiext(f"{RESULTS}/tables/claims", ".csv", ".md"),
        report(
            f"{RESULTS}/tables/claims.html",
            category="Summary",
            labels={"table": "the paper's claims"},
            caption="../report/claims.rst",
        ),
    log:
        f"{RESULTS}/logs/verify.log",
    params:
        step="verify",
        methods=METHODS,


use rule table as figure with:
    input:
        unpack(lambda wildcards: made_from(wildcards.figure)),
    output:
        f"{RESULTS}/figures/{{figure}}.pdf",
        report(
            f"{RESULTS}/figures/{{figure}}.png",
            category="Figures",
            labels={"figure": "{figure}"},
            caption="../report/figure.rst",
        ),
    log:
        f"{RESULTS}/logs/figures/{{figure}}.log",
    wildcard_constraints:
        figure="|".join(drawing.stem for drawing in FIGURES.values()),
    params:
        step=lambda wildcards: f"figure {wildcards.figure.removeprefix('figure-')}",
        read=figure_arguments,
        methods=lambda wildcards: methods_in(wildcards.figure),
        settings=lambda wildcards: [
            digest(read) for read in computed_with(wildcards.figure, PROJECT)
        ],
        report=PROJECT.report.model_dump(mode="json", exclude={"against"}),


# What is there now, in one file. It has no input, so it starts no other job.
rule report_now:
    log:
        f"{RESULTS}/logs/report_now.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        config=SETTINGS,
        read=lambda wildcards: f"--metrics {RESULTS}/metrics --runs {RESULTS}/runs",
        figures=lambda wildcards: f"{RESULTS}/figures",
        into=lambda wildcards: f"{RESULTS}/report/now.html",
        methods=METHODS,
    shell:
        "python -m neco report --config {params.config} {params.read}"
        " --figures {params.figures} --into {params.into} > {log} 2>&1"


use rule report_now as report with:
    input:
        **made_from("summary"),
        models=MODELS_FILE,
        curves=[f"{RESULTS}/runs/{model}/metrics.csv" for model in TRAINED],
        parts=[
            *(shown_in(f"table-{table}") for table in PROJECT.report.tables),
            *map(shown_in, ("summary", "claims")),
            *map(shown_in, DRAWN),
        ],
    output:
        REPORT,
    log:
        f"{RESULTS}/logs/report.log",
    localrule: False
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        into=lambda wildcards, output: output[0],
        against=AGAINST,
