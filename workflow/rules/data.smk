# archives -> prepared datasets


if PROJECT.scenes is not None:

    rule scenes:
        output:
            [f"{ARCHIVES}/{name}" for name in SCENES if not is_folder(name)],
            [directory(f"{ARCHIVES}/{name}") for name in SCENES if is_folder(name)],
        log:
            f"{RESULTS}/logs/scenes.log",
        conda:
            "../../envs/train.yaml"
        threads: 2
        resources:
            mem_mb=memory("scenes"),
            runtime=minutes("scenes"),
        params:
            config=SETTINGS,
            archives=lambda wildcards: ARCHIVES,
            scenes=PROJECT.scenes.model_dump(mode="json"),
            names=SCENES,
        shell:
            "python -m neco scenes --config {params.config} --into {params.archives}"
            " --processes {threads} > {log} 2>&1"

else:

    rule fetch:
        output:
            f"{ARCHIVES}/{{archive}}",
        log:
            f"{RESULTS}/logs/fetch/{{archive}}.log",
        conda:
            "../../envs/train.yaml"
        resources:
            network=1,
            mem_mb=memory("fetch"),
            runtime=minutes("fetch"),
        params:
            archives=lambda wildcards: ARCHIVES,
            config=SETTINGS,
        shell:
            "python -m neco fetch {wildcards.archive} --into {params.archives} --config"
            " {params.config} 2>&1 | tee {log}"


rule prepare:
    input:
        archives_and_prerequisites,
    output:
        directory(f"{DATA}/prepared/{{dataset}}"),
    log:
        f"{RESULTS}/logs/prepare/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare/{{dataset}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=memory("prepare"),
        runtime=minutes("prepare"),
    params:
        archives=lambda wildcards: ARCHIVES,
        first=brought_folders,
    shell:
        "({params.first}) > {log} 2>&1 && python -m neco prepare {wildcards.dataset}"
        " --archives {params.archives} --into {output} --processes {threads} >> {log} 2>&1"
