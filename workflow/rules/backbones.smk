# published (or shipped) weights -> safetensors of timm names

BACKBONE_OF = {file_stem(backbone): backbone for backbone, _, _ in MODELS.values()}


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
        config=SETTINGS,
        backbone=lambda wildcards: BACKBONE_OF[wildcards.stem],
    shell:
        "python -m neco weights '{params.backbone}' --into {output} --downloads {params.downloads}"
        " --config {params.config} > {log} 2>&1"


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
