"""Published results: a project's checkpoints, metrics, tables and figures, versioned by DVC.

    published/<project>/   dvc.yaml and *.dvc, tracked by git; beside them what they stand for
    published/remote/      its content by md5, tracked by git: where `dvc pull` reads

Snakemake executes, DVC only holds: there is no stage here, so no second graph to keep equal.
"""
