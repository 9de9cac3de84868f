# Backbones: weights that are published or shipped come in, safetensors with timm's names come out.

BACKBONE_OF = {file_stem(model.backbone): model.backbone for model in MODELS.values()}


rule weights:
    output:
        f"{DATA}/weights/{{stem}}.safetensors",
    log:
        f"{RESULTS}/logs/weights/{{stem}}.log",
    conda:
        "../../envs/train.yaml"
    resources:
        network=1,
        mem_mb=memory("weights"),
        runtime=minutes("weights"),
    params:
        downloads=lambda wildcards: f"{DATA}/downloads",
        mirrors=lambda wildcards: mirror_arguments(),
        backbone=lambda wildcards: BACKBONE_OF[wildcards.stem],
    shell:
        "python -m neco weights {params.backbone:q} --into {output:q}"
        " --downloads {params.downloads:q} {params.mirrors:q} > {log:q} 2>&1"


rule pretrain_demo:
    output:
        "results/pretrain/demo_vit.safetensors",
    log:
        "results/pretrain/demo_vit.log",
    conda:
        "../../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=memory("train"),
        runtime=minutes("train"),
    shell:
        "python -m neco pretrain --into {output} --threads {threads} > {log} 2>&1"
