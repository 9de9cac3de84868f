# metrics -> tables, figures, report

TABLES = f"{RESULTS}/tables"
FIGURES = f"{RESULTS}/figures"
MODELS_FILE = f"{RESULTS}/models.json"


rule models:
    input:
        [
            f"{RESULTS}/runs/{model}/training.json"
            for model, (_, run, _) in MODELS.items()
            if run
        ],
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
        methods={name: run.method for name, run in PROJECT.runs.items()},
    shell:
        "python -m neco models --config {params.config} --runs {params.runs} --into {output} >"
        " {log} 2>&1"


rule table:
    input:
        metrics=METRICS,
        models=MODELS_FILE,
    output:
        multiext(f"{TABLES}/table-{{table}}", ".csv", ".md", ".tex"),
        report(
            f"{TABLES}/table-{{table}}.html",
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
        config=SETTINGS,
        metrics=lambda wildcards: f"{RESULTS}/metrics",
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m neco table {wildcards.table} --config {params.config} --metrics"
        " {params.metrics} --models {input.models} --into {params.folder}"
        " > {log} 2>&1"


rule summary:
    input:
        metrics=METRICS,
        models=MODELS_FILE,
    output:
        multiext(f"{TABLES}/summary", ".csv", ".md"),
        report(
            f"{TABLES}/summary.html",
            category="Summary",
            labels={"table": "models and gains"},
            caption="../report/summary.rst",
        ),
    log:
        f"{RESULTS}/logs/summary.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        config=SETTINGS,
        metrics=lambda wildcards: f"{RESULTS}/metrics",
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m neco summary --config {params.config} --metrics {params.metrics} --models"
        " {input.models} --into {params.folder} > {log} 2>&1"


rule verify:
    input:
        metrics=METRICS,
        models=MODELS_FILE,
    output:
        multiext(f"{TABLES}/claims", ".csv", ".md"),
        report(
            f"{TABLES}/claims.html",
            category="Summary",
            labels={"table": "the paper's claims"},
            caption="../report/claims.rst",
        ),
    log:
        f"{RESULTS}/logs/verify.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        config=SETTINGS,
        metrics=lambda wildcards: f"{RESULTS}/metrics",
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m neco verify --config {params.config} --metrics {params.metrics} --models"
        " {input.models} --into {params.folder} > {log} 2>&1"


rule figure_of_metrics:
    input:
        metrics=METRICS,
        models=MODELS_FILE,
    output:
        f"{FIGURES}/figure-2.pdf",
        report(
            f"{FIGURES}/figure-2.png",
            category="Figures",
            labels={"figure": "2"},
            caption="../report/figure-2.rst",
        ),
    log:
        f"{RESULTS}/logs/figures/2.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        config=SETTINGS,
        metrics=lambda wildcards: f"{RESULTS}/metrics",
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m neco figure 2 --config {params.config} --metrics {params.metrics} --models"
        " {input.models} --into {params.folder} > {log} 2>&1"


rule figure_of_method:
    input:
        data=training_data,
        weights=lambda wildcards: weights_of(PICTURED[0]),
    output:
        f"{FIGURES}/figure-1.pdf",
        report(
            f"{FIGURES}/figure-1.png",
            category="Figures",
            labels={"figure": "1"},
            caption="../report/figure-1.rst",
        ),
    log:
        f"{RESULTS}/logs/figures/1.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        config=SETTINGS,
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "python -m neco figure 1 --config {params.config} --data {input.data:q} --weights"
        " {input.weights:q}"
        " --into {params.folder} > {log} 2>&1"


rule figure_of_data:
    input:
        dataset_folder(PROJECT.report.dataset),
    output:
        f"{FIGURES}/figure-3.pdf",
        report(
            f"{FIGURES}/figure-3.png",
            category="Figures",
            labels={"figure": "3"},
            caption="../report/figure-3.rst",
        ),
    log:
        f"{RESULTS}/logs/figures/3.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        config=SETTINGS,
        folder=lambda wildcards, output: Path(output[0]).parent,
        report=PROJECT.report.model_dump(mode="json"),
    shell:
        "python -m neco figure 3 --config {params.config} --data {input:q} --into {params.folder}"
        " > {log} 2>&1"


rule figure_of_features:
    input:
        unpack(compared_features),
        data=dataset_folder(PROJECT.report.dataset),
    output:
        f"{FIGURES}/{{stem}}.pdf",
        report(
            f"{FIGURES}/{{stem}}.png",
            category="Figures",
            labels={"figure": "{stem}"},
            caption="../report/figure.rst",
        ),
    log:
        f"{RESULTS}/logs/figures/{{stem}}.log",
    wildcard_constraints:
        stem="figure-[456]|overlays",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        config=SETTINGS,
        folder=lambda wildcards, output: Path(output[0]).parent,
        name=lambda wildcards: wildcards.stem.removeprefix("figure-"),
        report=PROJECT.report.model_dump(mode="json"),
    shell:
        "python -m neco figure {params.name} --config {params.config} --data {input.data:q}"
        " --start-train {input.start_train} --start-val {input.start_val}"
        " --start-cluster {input.start_cluster} --run-train {input.run_train}"
        " --run-val {input.run_val} --run-cluster {input.run_cluster}"
        " --into {params.folder} > {log} 2>&1"


rule figure_of_segments:
    input:
        maps=segment_maps,
        data=dataset_folder(PROJECT.report.dataset),
    output:
        f"{FIGURES}/figure-7.pdf",
        report(
            f"{FIGURES}/figure-7.png",
            category="Figures",
            labels={"figure": "7"},
            caption="../report/figure-7.rst",
        ),
    log:
        f"{RESULTS}/logs/figures/7.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        config=SETTINGS,
        folder=lambda wildcards, output: Path(output[0]).parent,
        report=PROJECT.report.model_dump(mode="json"),
    shell:
        "python -m neco figure 7 --config {params.config} --data {input.data:q}"
        " --maps {input.maps} --into {params.folder} > {log} 2>&1"


rule report:
    input:
        metrics=METRICS,
        models=MODELS_FILE,
        curves=[
            f"{RESULTS}/runs/{model}/metrics.csv"
            for model, (_, run, _) in MODELS.items()
            if run
        ],
        tables=expand(f"{TABLES}/table-{{table}}.html", table=PROJECT.report.tables),
        summary=f"{TABLES}/summary.html",
        claims=f"{TABLES}/claims.html",
        figures=[f"{FIGURES}/{figure_stem(name)}.png" for name in DRAWN],
    output:
        REPORT,
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        config=SETTINGS,
        metrics=lambda wildcards: f"{RESULTS}/metrics",
        figures=lambda wildcards: FIGURES,
        runs=lambda wildcards: f"{RESULTS}/runs",
    shell:
        "python -m neco report --config {params.config} --metrics {params.metrics}"
        " --models {input.models} --runs {params.runs} --figures {params.figures} --into {output} > {log} 2>&1"
