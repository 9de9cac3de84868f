# published (or shipped) weights -> safetensors of timm names

BACKBONE_OF = {file_stem(backbone): backbone for backbone, _, _ in MODELS.values()}


rule weights:
    output:
        f"{DATA}/weights/{{stem}}.safetensors",
    log:
        f"{RESULTS}/logs/weights/{{stem}}.log",
    conda:
        "../../envs/neco.yaml"
    resources:
        network=1,
    params:
        backbone=lambda wildcards: BACKBONE_OF[wildcards.stem],
    shell:
        "{NECO} weights '{params.backbone}' --into {output} --downloads {DATA}/downloads"
        " {MIRROR_ARGUMENTS} > {log} 2>&1"


rule pretrain_demo:
    output:
        "results/pretrain/demo_vit.safetensors",
    log:
        "results/pretrain/demo_vit.log",
    conda:
        "../../envs/neco.yaml"
    threads: 2
    shell:
        "{NECO} pretrain --into {output} --threads {threads} > {log} 2>&1"
