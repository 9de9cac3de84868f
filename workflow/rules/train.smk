# Training: a starting backbone and images come in, a NeCo backbone comes out.


rule train:
    input:
        data=training_data,
        weights=starting_weights,
    output:
        backbone=f"{RESULTS}/runs/{{run}}.seed{{seed}}/backbone.safetensors",
        metrics=f"{RESULTS}/runs/{{run}}.seed{{seed}}/metrics.csv",
        about=f"{RESULTS}/runs/{{run}}.seed{{seed}}/training.json",
    log:
        f"{RESULTS}/logs/train/{{run}}.seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{run}}.seed{{seed}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: PROJECT.resources.train_threads * DEVICES
    resources:
        **SEVERAL_PROCESSES,
        gpu=PROJECT.resources.train_gpus * DEVICES * NODES,
        cpus_per_task=lambda wildcards, threads: max(1, threads // DEVICES),
        mem_mb=memory("train"),
        runtime=minutes("train"),
        slurm_extra=TRAINING,
        devices=DEVICES,
        nodes=NODES,
        # This is no parameter, because a repository that has moved would then train again.
        launch=str(LAUNCH),
    params:
        config=SETTINGS,
        folder=lambda wildcards, output: Path(output.backbone).parent,
        settings=lambda wildcards: digest(PROJECT.training(wildcards.run).identity()),
    shell:
        "exec sh {resources.launch:q} {resources.nodes} {resources.devices} {resources.cpus_per_task}"
        " python -m neco train --config {params.config:q} --run {wildcards.run:q}"
        " --seed {wildcards.seed} --data {input.data:q} --weights {input.weights:q}"
        " --threads {resources.cpus_per_task} --devices {resources.devices} --nodes {resources.nodes}"
        " --into {params.folder:q} > {log:q} 2>&1"
