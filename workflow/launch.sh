# Start a training: launch.sh NODES PROCESSES_PER_NODE THREADS COMMAND...
# Inside a SLURM job srun starts the processes. Elsewhere the first process starts the others. The
# training takes the place of this shell (exec), so that a scheduler's signal reaches it.
set -eu
nodes=$1 devices=$2 threads=$3
shift 3
if [ "$((nodes * devices))" -gt 1 ] && [ -n "${SLURM_JOB_ID:-}" ]; then
    # Where a process ends early, the others have 300 seconds to write the checkpoint.
    exec srun --nodes="$nodes" --ntasks="$((nodes * devices))" --ntasks-per-node="$devices" \
        --cpus-per-task="$threads" --wait=300 "$@"
fi
exec "$@"
