# What a newcomer's first commands rely on: formatting, lint, and a DAG that needs no network.
set -eu
snakefmt --check Snakefile workflow
snakemake --lint
for name in config demo smoke subset; do
    snakemake --dry-run --quiet all --configfile "config/$name.yaml" --config mirror=/nowhere
    echo "config/$name.yaml: dry run passes"
done
if snakemake --dry-run --quiet all --config run=x 2>tests_workflow.log; then
    echo "an unknown key was not refused" >&2
    exit 1
fi
grep -q "unknown key 'run'; did you mean 'runs'" tests_workflow.log
rm -f tests_workflow.log
echo "an unknown key is refused by name"
