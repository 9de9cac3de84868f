"""What the files of a training are called, for all who write, read or look for them.

This module imports nothing, so that a step may know the names without what trains.
"""

WEIGHTS = "backbone.safetensors"
"""The trained backbone."""
METRICS = "metrics.csv"
"""A row for every few steps."""
ABOUT = "training.json"
"""Where the weights come from."""
CHECKPOINT = "checkpoint.ckpt"
"""The newest state of what is not finished; the one before lies beside it."""
PARTIAL_METRICS = "metrics.partial"
"""The rows so far of a training that is not finished."""
FINISHED = ".finished"
"""The folder with the same results, from which a workflow that removed them gets them back."""
FIT_RUN = "run"
"""Where `neco fit` keeps the training inside of its own folder."""
FIT_RECORD = "fit.json"
"""What `neco fit` did with which inputs; beside the training's folder."""
