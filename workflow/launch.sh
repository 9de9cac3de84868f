# Start a training: launch.sh NODES PROCESSES_PER_NODE THREADS COMMAND...
# Inside a SLURM job srun starts the processes, elsewhere the first starts the others. It stays the
# job's own process (exec), so that a scheduler's signal reaches the training.
set -eu
nodes=$1 devices=$2 threads=$3
shift 3
if [ "$((nodes * devices))" -gt 1 ] && [ -n "${SLURM_JOB_ID:-}" ]; then
    # A process that has ended early leaves the others time for the checkpoint, not for ever.
    exec srun --nodes="$nodes" --ntasks="$((nodes * devices))" --ntasks-per-node="$devices" \
        --cpus-per-task="$threads" --wait=300 "$@"
fi
exec "$@"
