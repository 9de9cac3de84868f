# What jobs ask of a scheduler. The numbers are the configuration's. One machine reads threads and
# GPUs only.

# Without a number Snakemake would start as many trainings on a machine's GPU as there are cores for.
# A cluster knows its GPUs (`nodes` are its jobs).
if (
    workflow.is_main_process
    and workflow.resource_settings.nodes is None
    and "gpu" not in workflow.global_resources
    and (cards := visible_gpus())
):
    workflow.register_resource("gpu", len(cards))


def memory(kind):
    """Return the resource function of `mem_mb`, which grows with every attempt."""
    return lambda wildcards, attempt: PROJECT.resources.memory_of(kind, attempt)


def minutes(kind):
    """Return the resource function of `runtime`, which grows with every attempt."""
    return lambda wildcards, attempt: PROJECT.resources.minutes_of(kind, attempt)


# A job that can continue is told to stop before its time is over. It has to take the place of the
# shell (`exec`). A shell that waits for it would die of the signal first and take the job along.
STOP_IN_TIME = f"--signal=TERM@{PROJECT.resources.stop_seconds}"

DEVICES, NODES = PROJECT.resources.train_devices, PROJECT.resources.train_nodes

# The processes of a training are tasks of its job. workflow/launch.sh starts them.
SEVERAL_PROCESSES = {}
TRAINING = STOP_IN_TIME
if DEVICES * NODES > 1:
    # The plugin wants to know how many tasks a node has, or how many there are. It is told the first
    # where a node has several. Else it is told the second, and tasks_per_gpu is 0, because it would
    # otherwise take `tasks` for a number per GPU.
    SEVERAL_PROCESSES = {"mpi": "srun", "tasks_per_node": DEVICES}
    if DEVICES == 1:
        SEVERAL_PROCESSES = {"mpi": "srun", "tasks": NODES, "tasks_per_gpu": 0}
    # The plugin asks for the sum of GPUs only, which SLURM may divide among nodes in any way.
    if PROJECT.resources.train_gpus:
        TRAINING += f" --gpus-per-node={DEVICES}"
