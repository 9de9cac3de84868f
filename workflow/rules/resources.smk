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

# Inside a SLURM job srun starts the processes of a training, elsewhere the first starts the others.
# A process that has ended early leaves the others time for the checkpoint, not for ever.
LAUNCHER = "exec"
SEVERAL_PROCESSES = {}
if DEVICES * NODES > 1:
    LAUNCHER = (
        "exec ${SLURM_JOB_ID:+srun"
        f" --nodes={NODES} --ntasks={DEVICES * NODES} --ntasks-per-node={DEVICES}"
        f" --cpus-per-task={PROJECT.resources.train_threads} --wait=300" + "}"
    )
    # Of a node's processes where there are several, else of all: the plugin wants one of the two,
    # and would take `tasks` for a number per GPU.
    SEVERAL_PROCESSES = {"mpi": "srun", "tasks_per_node": DEVICES}
    if DEVICES == 1:
        SEVERAL_PROCESSES = {"mpi": "srun", "tasks": NODES, "tasks_per_gpu": 0}
