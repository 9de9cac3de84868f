# Every target sets up what it needs: a virtual environment in .venv, made once from requirements.lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
UV := 0.13.9
PIP_AUDIT := 2.9.0
DOCKER ?= docker
IMAGE := neco-reproduction:latest
SIF := build/neco-reproduction.sif

.PHONY: help setup demo test lint docs unit workflow-check test-reliability training-proofs gpu-proofs gpu-bundle smoke documents lock pin test-conda image apptainer test-image test-slurm test-dvc audit clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

setup: $(VENV)/.ready  ## create .venv from the lock (done by the other targets when needed)

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "make: Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	@echo "making $(VENV) from requirements.lock, once"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet uv==$(UV)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

demo: setup  ## scenes -> training -> evaluation -> report in minutes (FULL=1: the published demo)
	@trap : INT; $(BIN)/python -m neco demo --cores $(CORES) $(if $(FULL),--full) || [ $$? -eq 130 ]

test: lint docs unit workflow-check  ## what has to pass before a change lands

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup  ## the documentation as a website, links checked: build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Trainings of the tests are bit-equal on a CPU alone. A GPU has tests of its own (gpu-proofs).
unit: setup
	CUDA_VISIBLE_DEVICES= $(BIN)/python -m pytest -n 2

workflow-check: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/workflow_check.sh

test-reliability: setup  ## kills and damaged inputs, counted (docs/reliability.md); takes half an hour
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 0 -m "slow or not slow" --durations=10 tests/reliability
	$(BIN)/python -m tests.reliability.counts docs/reliability.md benchmarks/results/README.md

training-proofs: setup  ## two processes by the command, and compiled blocks, against one process
	$(BIN)/python -m pytest -n 0 -m slow --durations=0 tests/training tests/gpu

gpu-proofs:  ## everything that only a GPU can say (docs/gpu.md; REHEARSE=1: on the CPU, toy sizes)
	$(or $(wildcard $(BIN)/python),$(PYTHON)) -m benchmarks.gpu $(if $(REHEARSE),--rehearse) $(if $(BUNDLE),--bundle "$(BUNDLE)") $(if $(MINUTES),--minutes $(MINUTES))

gpu-bundle: setup  ## the same for a bare machine without a network: one tar (WEIGHTS=, PREPARED=, SCIPY=1, PYTHONS=3.12, WITHOUT="rich pytest")
	$(BIN)/python -m benchmarks.gpu.bundle build/gpu/bundle $(if $(WEIGHTS),--weights "$(WEIGHTS)") $(if $(PREPARED),--prepared "$(PREPARED)") $(if $(SCIPY),--scipy) $(if $(PYTHONS),--python $(PYTHONS)) $(if $(WITHOUT),--without $(WITHOUT)) $(if $(TRAIN),--train $(TRAIN)) $(if $(VAL),--val $(VAL))

smoke: setup  ## every rule of the workflow on the smallest data
	$(BIN)/snakemake --cores $(CORES) --configfile config/smoke.yaml

image:  ## container image of every step (BASE=... for another base; docs/containers.md)
	$(DOCKER) build --tag $(IMAGE) $(if $(BASE),--build-arg BASE=$(BASE)) .

apptainer: image  ## the same image as one file, for snakemake --sdm apptainer
	mkdir -p $(dir $(SIF))
	$(DOCKER) save --output $(SIF:.sif=.tar) $(IMAGE)
	apptainer build --force $(SIF) docker-archive:$(SIF:.sif=.tar)
	rm $(SIF:.sif=.tar)

test-image: setup  ## build the image on a base made here and run the demo in it (root, Debian)
	$(BIN)/python -m pytest -m "slow or not slow" -n 0 -v -s --durations=0 tests/image

test-slurm: setup  ## the profile for SLURM on a real cluster of one node, started here (root, Debian)
	$(BIN)/python -m pytest -n 0 -m slow -x --durations=0 tests/slurm

audit: setup  ## look the locked packages up in the database of known weaknesses (needs the network)
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet pip-audit==$(PIP_AUDIT)
	.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --desc off -r requirements.lock

test-dvc: setup  ## a fresh clone pulls, shows and evaluates what is published; a real S3 server
	$(BIN)/python -m pytest -m slow tests/publish -n 0 -s

documents: setup  ## renew the files that are generated from code
	$(BIN)/python -m neco config > config/defaults.yaml
	$(BIN)/python -m neco config --schema > config/schema.json
	$(BIN)/python -m neco.backbones.describe docs/backbones.md
	$(BIN)/python -m neco.backbones.families benchmarks/results/backbone-families.jsonl docs/backbone-families.md
	$(BIN)/python -m neco.data.describe docs/data.md
	$(BIN)/python -m neco.report.page.captions workflow/report
	$(BIN)/python -m neco.plan.alone docs/paper-map.md

lock: setup  ## renew every lock and pin after a change of pyproject.toml or envs/ (UPGRADE=--upgrade: to the newest)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --all-extras $(UPGRADE) -o requirements.lock pyproject.toml
	$(BIN)/python envs/lock.py $(UPGRADE)
	$(BIN)/python envs/pin.py --existing

pin: setup  ## pin conda's packages in envs/NAME.linux-64.pin.txt (needs the channel)
	$(BIN)/python envs/pin.py $(basename $(notdir $(wildcard envs/*.yaml)))

test-conda: setup  ## make the four conda environments and run every kind of step in its own
	$(BIN)/python -m tests.conda.prove

clean:  ## remove what the demos and smoke wrote; other projects' archives and results stay
	rm -rf .snakemake $(foreach name,demo quick-demo smoke,data/$(name) results/$(name))
