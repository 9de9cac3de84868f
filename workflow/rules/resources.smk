# What jobs ask of a scheduler. The numbers are the configuration's; one machine reads threads only.


def memory(kind):
    """Return the resource function of `mem_mb`: more on every attempt."""
    return lambda wildcards, attempt: PROJECT.resources.memory_of(kind, attempt)


def minutes(kind):
    """Return the resource function of `runtime`: longer on every attempt."""
    return lambda wildcards, attempt: PROJECT.resources.minutes_of(kind, attempt)


# A job that can continue is told to stop in time. It must be the shell itself (`exec`): a shell
# that waits for it would die of the signal first and take the job along.
STOP_IN_TIME = f"--signal=TERM@{PROJECT.resources.stop_seconds}"

DEVICES, NODES = PROJECT.resources.train_devices, PROJECT.resources.train_nodes

# Several processes of a training are tasks of its job, which workflow/launch.sh starts.
SEVERAL_PROCESSES = {}
TRAINING = STOP_IN_TIME
if DEVICES * NODES > 1:
    # Of a node's processes where there are several, else of all: the plugin wants one of the two,
    # and would take `tasks` for a number per GPU.
    SEVERAL_PROCESSES = {"mpi": "srun", "tasks_per_node": DEVICES}
    if DEVICES == 1:
        SEVERAL_PROCESSES = {"mpi": "srun", "tasks": NODES, "tasks_per_gpu": 0}
    # The plugin asks for the sum of GPUs, which SLURM may divide among nodes as it likes.
    if PROJECT.resources.train_gpus:
        TRAINING += f" --gpus-per-node={DEVICES}"
