# Publishing: a finished project comes in, published/<project> comes out under DVC.


rule publish:
    input:
        rules.report.input,
        REPORT,
    log:
        f"{RESULTS}/logs/publish.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        results=lambda wildcards, input: Path(input[-1]).parents[1],
    shell:
        "python -m neco publish {params.results:q} 2>&1 | tee {log:q}"
