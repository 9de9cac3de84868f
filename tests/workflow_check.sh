# What a newcomer's first commands rely on: formatting, lint, and a DAG that needs no network.
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT

snakefmt --check Snakefile workflow
snakemake --lint
for name in config demo quick-demo smoke subset; do
    snakemake --dry-run --configfile "config/$name.yaml" --config mirror=/nowhere >"$log" 2>&1 || {
        tail -n 20 "$log"
        exit 1
    }
    echo "config/$name.yaml: dry run passes"
done
if snakemake --dry-run --config run=x >"$log" 2>&1; then
    echo "an unknown key was not refused"
    exit 1
fi
grep "unknown key 'run'; did you mean 'runs'" "$log"
