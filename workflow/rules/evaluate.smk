# Evaluation: a backbone and a dataset come in; frozen features and attention come out of them, and
# metrics come out of these. A protocol's record (neco/evaluate/protocol.py) says what the protocol
# reads and what its command is given.


rule extract:
    input:
        data=f"{DATA}/prepared/{{dataset}}",
        weights=lambda wildcards: weights_of(MODEL_OF[wildcards.model]),
    output:
        temp(
            directory(
                f"{RESULTS}/features/{{model}}/{{dataset}}.{{split}}.{{size}}{{colours}}"
            )
        ),
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
        step="extract",
        config=SETTINGS,
        backbone=backbone_name,
        settings=digest(PROJECT.extraction),
        more=lambda wildcards: [
            *("--model", wildcards.model),
            *("--colours", wildcards.colours.lstrip(".") or "backbone"),
        ],
    shell:
        "python -m neco {params.step} --config {params.config:q} --backbone {params.backbone:q}"
        " --weights {input.weights:q} --threads {threads} --data {input.data:q}"
        " --split {wildcards.split:q} --image-size {wildcards.size} {params.more:q}"
        " --into {output:q} > {log:q} 2>&1"


use rule extract as attend with:
    output:
        temp(f"{RESULTS}/attention/{{model}}/{{dataset}}.{{split}}.{{size}}.npz"),
    log:
        f"{RESULTS}/logs/attend/{{model}}.{{dataset}}.{{split}}.{{size}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attend/{{model}}.{{dataset}}.{{split}}.{{size}}.tsv"
    params:
        step="attend",
        more=[],


for RECORD in PROTOCOLS.values():
    if RECORD.name != "segmenter":  # it is several fine-tunings (segmenter.smk)

        rule:
            name:
                RECORD.rule
            input:
                unpack(inputs_of(RECORD)),
            output:
                **outputs_of(RECORD),
            log:
                f"{RESULTS}/logs/{RECORD.name}/{{dataset}}.{{model}}.log",
            benchmark:
                f"{RESULTS}/benchmarks/{RECORD.name}/{{dataset}}.{{model}}.tsv"
            conda:
                "../../envs/evaluate.yaml"
            threads: PROJECT.resources.evaluate_threads
            resources:
                **({"gpu": PROJECT.resources.evaluate_gpus} if RECORD.gpu else {}),
                mem_mb=memory(RECORD.kind),
                runtime=minutes(RECORD.kind),
            params:
                config=SETTINGS,
                protocol=RECORD.name,
                model=model_name,
                arguments=arguments_of(RECORD),
                settings=settings_digest(RECORD.name),
                extraction=extraction_inside,
            shell:
                "python -m neco evaluate {params.protocol} --config {params.config:q}"
                " --model {params.model:q} --threads {threads} --data {input.data:q}"
                " {params.arguments:q} --into {output.metrics:q} > {log:q} 2>&1"
