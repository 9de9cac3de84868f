# backbone + dataset -> frozen features -> metrics


def evaluated(protocol=None):
    """Return (protocol, dataset, model) of every metrics file that the project asks for."""
    return [
        (evaluation.protocol, dataset, model)
        for evaluation in PROJECT.evaluations
        for dataset in evaluation.datasets
        for model, (backbone, run, seed) in MODELS.items()
        if evaluation.models == "all" or {model, backbone, run} & set(evaluation.models)
        if protocol in (None, evaluation.protocol)
    ]


def metrics_file(protocol, dataset, model):
    return f"{RESULTS}/metrics/{protocol}/{dataset}/{file_stem(model)}.json"


METRICS = [metrics_file(*key) for key in evaluated()]
MODEL_OF = {file_stem(model): model for model in MODELS}


def settings_of(protocol, dataset):
    return PROJECT.protocol_settings(protocol, PROJECT.override_of(protocol, dataset))


def features_of(protocol, part):
    """Return an input function: features of the training or held-out split of a metrics file."""

    def inputs(wildcards):
        split = getattr(PROJECT.datasets[wildcards.dataset], part)
        size = settings_of(protocol, wildcards.dataset).image_size
        return features_folder(
            MODEL_OF[wildcards.model], wildcards.dataset, split, size
        )

    return inputs


def settings_digest(protocol):
    return lambda wildcards: digest(settings_of(protocol, wildcards.dataset))


rule extract:
    input:
        data=f"{DATA}/prepared/{{dataset}}",
        weights=lambda wildcards: weights_of(MODEL_OF[wildcards.model]),
    output:
        temp(directory(f"{RESULTS}/features/{{model}}/{{dataset}}.{{split}}.{{size}}")),
    log:
        f"{RESULTS}/logs/extract/{{model}}.{{dataset}}.{{split}}.{{size}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/extract/{{model}}.{{dataset}}.{{split}}.{{size}}.tsv"
    conda:
        "../../envs/neco.yaml"
    threads: PROJECT.resources.evaluate_threads
    resources:
        gpu=PROJECT.resources.evaluate_gpus,
    params:
        backbone=lambda wildcards: MODELS[MODEL_OF[wildcards.model]][0],
        settings=digest(PROJECT.extraction),
    shell:
        "{NECO} extract --config {SETTINGS} --model {wildcards.model} --threads {threads}"
        " --backbone '{params.backbone}' --weights {input.weights} --data {input.data}"
        " --split {wildcards.split} --image-size {wildcards.size} --into {output} > {log} 2>&1"


rule in_context:
    input:
        data=f"{DATA}/prepared/{{dataset}}",
        train=features_of("in-context", "train"),
        val=features_of("in-context", "val"),
    output:
        f"{RESULTS}/metrics/in-context/{{dataset}}/{{model}}.json",
    log:
        f"{RESULTS}/logs/in-context/{{dataset}}.{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/in-context/{{dataset}}.{{model}}.tsv"
    conda:
        "../../envs/neco.yaml"
    threads: PROJECT.resources.evaluate_threads
    resources:
        gpu=PROJECT.resources.evaluate_gpus,
    params:
        splits=lambda wildcards: PROJECT.datasets[wildcards.dataset],
        settings=settings_digest("in-context"),
    shell:
        "{NECO} evaluate in-context --config {SETTINGS} --threads {threads} --data {input.data}"
        " --train-split {params.splits.train} --val-split {params.splits.val}"
        " --train-features {input.train} --val-features {input.val} --into {output} > {log} 2>&1"


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
        "../../envs/neco.yaml"
    threads: PROJECT.resources.evaluate_threads
    params:
        splits=lambda wildcards: PROJECT.datasets[wildcards.dataset],
        settings=settings_digest("overcluster"),
    shell:
        "{NECO} evaluate overcluster --config {SETTINGS} --threads {threads} --data {input.data}"
        " --val-split {params.splits.val} --val-features {input.val} --into {output} > {log} 2>&1"


def linear_training_input(wildcards):
    """Return the backbone (augmented images go through it) or the cached training features."""
    if settings_of("linear", wildcards.dataset).augment:
        return {"weights": weights_of(MODEL_OF[wildcards.model])}
    return {"train": features_of("linear", "train")(wildcards)}


def linear_training_argument(wildcards, input):
    if hasattr(input, "train"):
        return f"--train-features {input.train}"
    backbone = MODELS[MODEL_OF[wildcards.model]][0]
    return f"--backbone '{backbone}' --weights {input.weights}"


rule linear:
    input:
        unpack(linear_training_input),
        data=f"{DATA}/prepared/{{dataset}}",
        val=features_of("linear", "val"),
    output:
        f"{RESULTS}/metrics/linear/{{dataset}}/{{model}}.json",
    log:
        f"{RESULTS}/logs/linear/{{dataset}}.{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/linear/{{dataset}}.{{model}}.tsv"
    conda:
        "../../envs/neco.yaml"
    threads: PROJECT.resources.evaluate_threads
    resources:
        gpu=PROJECT.resources.evaluate_gpus,
    params:
        splits=lambda wildcards: PROJECT.datasets[wildcards.dataset],
        settings=settings_digest("linear"),
        training=linear_training_argument,
    shell:
        "{NECO} evaluate linear --config {SETTINGS} --threads {threads} --data {input.data}"
        " --train-split {params.splits.train} --val-split {params.splits.val} {params.training}"
        " --val-features {input.val} --into {output} > {log} 2>&1"
