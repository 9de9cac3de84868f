# archives -> prepared datasets

ARCHIVES = f"{DATA}/archives"

if PROJECT.scenes is not None:

    rule scenes:
        output:
            expand(
                f"{ARCHIVES}/{{archive}}",
                archive=[
                    "VOCtrainval_11-May-2012.tar",
                    "train2017.zip",
                    "val2017.zip",
                    "panoptic_annotations_trainval2017.zip",
                    "stuff_annotations_trainval2017.zip",
                    "ADEChallengeData2016.zip",
                ],
            ),
        log:
            f"{RESULTS}/logs/scenes.log",
        conda:
            "../../envs/neco.yaml"
        threads: 2
        params:
            scenes=PROJECT.scenes.model_dump(mode="json"),
        shell:
            "{NECO} scenes --config {SETTINGS} --into {ARCHIVES} --processes {threads} > {log} 2>&1"

else:

    rule fetch:
        output:
            f"{ARCHIVES}/{{archive}}",
        log:
            f"{RESULTS}/logs/fetch/{{archive}}.log",
        conda:
            "../../envs/neco.yaml"
        resources:
            network=1,
        shell:
            "{NECO} fetch {wildcards.archive} --into {ARCHIVES} {MIRROR_ARGUMENTS} 2>&1 | tee {log}"


def archives_and_prerequisites(wildcards):
    needs = archives_of(wildcards.dataset)
    splits = PROJECT.datasets[wildcards.dataset]
    optional = needs.optional if "trainaug" in (splits.train, splits.val) else ()
    return [f"{ARCHIVES}/{name}" for name in (*needs.required, *optional)] + [
        dataset_folder(other) for other in prerequisites_of(wildcards.dataset)
    ]


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
        "../../envs/neco.yaml"
    threads: 2
    shell:
        "{NECO} prepare {wildcards.dataset} --archives {ARCHIVES} --into {output}"
        " --processes {threads} > {log} 2>&1"
