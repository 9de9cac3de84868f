# backbone + dataset -> frozen features -> metrics


rule extract:
    input:
        data=f"{DATA}/prepared/{{dataset}}",
        weights=lambda wildcards: weights_of(MODEL_OF[wildcards.model]),
    output:
        temp(directory(f"{RESULTS}/features/{{model}}/{{dataset}}.{{split}}.{{size}}{{colours}}")),
    log:
        f"{RESULTS}/logs/extract/{{model}}.{{dataset}}.{{split}}.{{size}}{{colours}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/extract/{{model}}.{{dataset}}.{{split}}.{{size}}{{colours}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: PROJECT.resources.evaluate_threads
    resources:
        gpu=PROJECT.resources.evaluate_gpus,
        mem_mb=memory("extract"),
        runtime=minutes("extract"),
    params:
        config=SETTINGS,
        backbone=lambda wildcards: MODELS[MODEL_OF[wildcards.model]][0],
        settings=digest(PROJECT.extraction),
        colours=lambda wildcards: wildcards.colours.lstrip(".") or "backbone",
    shell:
        "python -m neco extract --config {params.config} --model {wildcards.model} --threads"
        " {threads}"
        " --backbone '{params.backbone}' --weights {input.weights} --data {input.data}"
        " --split {wildcards.split} --image-size {wildcards.size} --colours {params.colours}"
        " --into {output} > {log} 2>&1"


rule in_context:
    input:
        unpack(
            training_input("in-context", lambda settings: settings.augmentation.epochs)
        ),
        data=f"{DATA}/prepared/{{dataset}}",
        val=features_of("in-context", "val"),
    output:
        f"{RESULTS}/metrics/in-context/{{dataset}}/{{model}}.json",
    log:
        f"{RESULTS}/logs/in-context/{{dataset}}.{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/in-context/{{dataset}}.{{model}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: PROJECT.resources.evaluate_threads
    resources:
        gpu=PROJECT.resources.evaluate_gpus,
        mem_mb=memory("in_context"),
        runtime=minutes("in_context"),
    params:
        config=SETTINGS,
        splits=lambda wildcards: PROJECT.datasets[wildcards.dataset],
        settings=settings_digest("in-context"),
        training=training_argument,
        extraction=extraction_inside,
        model=model_name,
    shell:
        "python -m neco evaluate in-context --config {params.config} --model '{params.model}'"
        " --threads {threads} --data {input.data}"
        " --train-split {params.splits.train} --val-split {params.splits.val} {params.training}"
        " --val-features {input.val} --into {output} > {log} 2>&1"


rule overcluster:
    input:
        data=f"{DATA}/prepared/{{dataset}}",
        val=features_of("overcluster", "val"),
    output:
        f"{RESULTS}/metrics/overcluster/{{dataset}}/{{model}}.json",
    log:
        f"{RESULTS}/logs/overcluster/{{dataset}}.{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/overcluster/{{dataset}}.{{model}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: PROJECT.resources.evaluate_threads
    resources:
        mem_mb=memory("overcluster"),
        runtime=minutes("overcluster"),
    params:
        config=SETTINGS,
        splits=lambda wildcards: PROJECT.datasets[wildcards.dataset],
        settings=settings_digest("overcluster"),
        model=model_name,
    shell:
        "python -m neco evaluate overcluster --config {params.config} --model '{params.model}'"
        " --threads {threads} --data {input.data}"
        " --val-split {params.splits.val} --val-features {input.val} --into {output} > {log} 2>&1"


rule linear:
    input:
        unpack(training_input("linear", lambda settings: settings.augment)),
        data=f"{DATA}/prepared/{{dataset}}",
        val=features_of("linear", "val"),
    output:
        f"{RESULTS}/metrics/linear/{{dataset}}/{{model}}.json",
    log:
        f"{RESULTS}/logs/linear/{{dataset}}.{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/linear/{{dataset}}.{{model}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: PROJECT.resources.evaluate_threads
    resources:
        gpu=PROJECT.resources.evaluate_gpus,
        mem_mb=memory("linear"),
        runtime=minutes("linear"),
    params:
        config=SETTINGS,
        splits=lambda wildcards: PROJECT.datasets[wildcards.dataset],
        settings=settings_digest("linear"),
        model=model_name,
        training=training_argument,
        extraction=extraction_inside,
    shell:
        "python -m neco evaluate linear --config {params.config} --model '{params.model}'"
        " --threads {threads} --data {input.data}"
        " --train-split {params.splits.train} --val-split {params.splits.val} {params.training}"
        " --val-features {input.val} --into {output} > {log} 2>&1"
