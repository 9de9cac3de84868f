# What a newcomer's first commands rely on: formatting, lint, and a DAG that needs no network.
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT

snakefmt --check Snakefile workflow
snakemake --lint
dry_run() {
    snakemake --dry-run --configfile "$@" --config mirror=/nowhere >"$log" 2>&1 || {
        tail -n 20 "$log"
        exit 1
    }
    echo "$*: dry run passes"
}
for name in config demo quick-demo smoke subset; do
    dry_run "config/$name.yaml"
done
# The proofs on a cluster, in containers and with conda run seldom; what they ask for stays right.
dry_run config/smoke.yaml tests/slurm/sparse.yaml
dry_run config/demo.yaml tests/image/sparse.yaml
dry_run config/smoke.yaml tests/conda/one_of_each.yaml
if snakemake --dry-run --config run=x >"$log" 2>&1; then
    echo "an unknown key was not refused"
    exit 1
fi
grep "unknown key 'run'; did you mean 'runs'" "$log"
