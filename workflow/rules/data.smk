# Datasets: archives come in, prepared datasets come out.


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
            archives=lambda wildcards: ARCHIVES,
            settings=lambda wildcards: scenes_arguments(),
        shell:
            "python -m neco scenes {params.settings:q} --into {params.archives:q}"
            " --processes {threads} > {log:q} 2>&1"

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
            mirrors=lambda wildcards: mirror_arguments(),
        shell:
            "python -m neco fetch {wildcards.archive:q} --into {params.archives:q}"
            " {params.mirrors:q} 2>&1 | tee {log:q}"


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
        version=lambda wildcards: version_of(wildcards.dataset),
        described=description_of_folders,
    shell:
        "({params.first}) > {log:q} 2>&1 && python -m neco prepare {wildcards.dataset:q}"
        " --archives {params.archives:q} --into {output:q} --processes {threads} >> {log:q} 2>&1"
