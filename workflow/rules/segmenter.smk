# Segmenter: a backbone and a dataset come in. There is a fine-tuning for each learning rate and seed,
# and the metrics of the best learning rate come out.


rule fine_tune:
    input:
        unpack(inputs_of(PROTOCOLS["segmenter"])),
    output:
        f"{RESULTS}/segmenter/{{dataset}}/{{model}}/rate-{{rate}}.seed{{seed}}.json",
    log:
        f"{RESULTS}/logs/segmenter/{{dataset}}.{{model}}.rate-{{rate}}.seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/segmenter/{{dataset}}.{{model}}.rate-{{rate}}.seed{{seed}}.tsv"
    wildcard_constraints:
        rate=r"[0-9.]+(e-[0-9]+)?",
    conda:
        "../../envs/segmenter.yaml"
    threads: PROJECT.resources.train_threads
    resources:
        gpu=PROJECT.resources.train_gpus,
        mem_mb=memory("fine_tune"),
        runtime=minutes("fine_tune"),
        slurm_extra=STOP_IN_TIME,
    params:
        config=SETTINGS,
        settings=lambda wildcards: digest(
            settings_of("segmenter", wildcards).identity()
        ),
        model=model_name,
        arguments=arguments_of(PROTOCOLS["segmenter"]),
        # This is no output, because a stopped job leaves its checkpoint here and continues from it.
        checkpoints=lambda wildcards, output: Path(output[0]).with_suffix(""),
    shell:
        "exec python -m neco evaluate segmenter --config {params.config:q} --model {params.model:q}"
        " --threads {threads} --data {input.data:q} {params.arguments:q}"
        " --learning-rate {wildcards.rate} --seed {wildcards.seed}"
        " --checkpoints {params.checkpoints:q} --into {output:q} > {log:q} 2>&1"


rule segmenter:
    input:
        fine_tunings,
    output:
        f"{RESULTS}/metrics/segmenter/{{dataset}}/{{model}}.json",
    log:
        f"{RESULTS}/logs/segmenter/{{dataset}}.{{model}}.log",
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        config=SETTINGS,
        settings=settings_digest("segmenter"),
    shell:
        "python -m neco best-rate {input:q} --config {params.config:q} --into {output:q} > {log:q} 2>&1"
