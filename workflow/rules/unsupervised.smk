# features and attention of both splits -> foreground, communities -> metrics and maps


rule attend:
    input:
        data=f"{DATA}/prepared/{{dataset}}",
        weights=lambda wildcards: weights_of(MODEL_OF[wildcards.model]),
    output:
        temp(f"{RESULTS}/attention/{{model}}/{{dataset}}.{{split}}.{{size}}.npz"),
    log:
        f"{RESULTS}/logs/attend/{{model}}.{{dataset}}.{{split}}.{{size}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attend/{{model}}.{{dataset}}.{{split}}.{{size}}.tsv"
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
    shell:
        "python -m neco attend --config {params.config} --backbone '{params.backbone}'"
        " --weights {input.weights} --threads {threads} --data {input.data}"
        " --split {wildcards.split} --image-size {wildcards.size} --into {output} > {log} 2>&1"


rule unsupervised:
    input:
        unpack(unsupervised_input),
        data=f"{DATA}/prepared/{{dataset}}",
    output:
        metrics=f"{RESULTS}/metrics/unsupervised/{{dataset}}/{{model}}.json",
        maps=f"{RESULTS}/unsupervised/{{dataset}}/{{model}}.npz",
    log:
        f"{RESULTS}/logs/unsupervised/{{dataset}}.{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/unsupervised/{{dataset}}.{{model}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: PROJECT.resources.evaluate_threads
    resources:
        mem_mb=memory("unsupervised"),
        runtime=minutes("unsupervised"),
    params:
        config=SETTINGS,
        train_split=lambda wildcards: settings_of("unsupervised", wildcards).train_split,
        splits=lambda wildcards: PROJECT.datasets[wildcards.dataset],
        settings=settings_digest("unsupervised"),
        model=model_name,
    shell:
        "python -m neco evaluate unsupervised --config {params.config} --model '{params.model}'"
        " --threads {threads} --data {input.data}"
        " --train-split {params.train_split} --val-split {params.splits.val}"
        " --train-features {input.train} --val-features {input.val}"
        " --train-attention {input.train_attention} --val-attention {input.val_attention}"
        " --maps {output.maps} --into {output.metrics} > {log} 2>&1"
