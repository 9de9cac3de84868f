"""Published results: a finished project comes in, its results come out under DVC.

    published/<project>/   dvc.yaml and *.dvc, tracked by git; beside them what they stand for
    published/remote/      its content by md5, tracked by git: where `dvc pull` reads

Weights, metrics, tables and figures are published. Snakemake executes and DVC only holds, so there
is no stage here, and no second graph that would have to agree with the first.
"""
