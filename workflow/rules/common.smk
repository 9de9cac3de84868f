# What the rules know: the typed project, and where its files lie. No result is computed here.
import hashlib
import json
import shlex
import sys
from functools import cache, partial
from itertools import chain
from pathlib import Path

import yaml

sys.path.insert(0, str(SHIPPED.parent))

from neco.backbones.registry import file_stem, refuse_unknown
from neco.config import Project, digest, with_included
from neco.config.base import validated
from neco.config.load import read_mapping
from neco.config.reporting import PARTS
from neco.data.prepare import version_of
from neco.data.scenes.archives import written_with
from neco.data.sources import is_folder, needed_for, prerequisites_of
from neco.errors import UserError
from neco.files import file_digest
from neco.gpus import visible_gpus
from neco.evaluate.protocol import PROTOCOLS
from neco.paper.figures import FIGURES
from neco.report.needs import computed_with, drawable, needs_of, together

# What a configuration includes lies beside it, or beside the configurations that ship.
FILES = [Path(file).resolve() for file in workflow.overwrite_configfiles]
BESIDE = [*(file.parent for file in reversed(FILES)), SHIPPED]

try:
    for file in FILES:
        read_mapping(file)  # refuses a key that stands twice, which Snakemake does not
    PROJECT = validated(Project, with_included(config, *BESIDE), "configuration")
    MODELS = PROJECT.models()
    refuse_unknown(
        {model.backbone for model in MODELS.values()},
        {run.backbone for run in PROJECT.runs.values()},
    )
    # Raises UserError for what this project cannot draw.
    together(PROJECT.only, PROJECT)
except UserError as error:
    raise WorkflowError(str(error)) from None

DATA = PROJECT.data
# No job has it among its params, so that a project that has moved computes nothing anew.
LAUNCH = SHIPPED.parent / "workflow" / "launch.sh"
ARCHIVES = f"{DATA}/archives"
RESULTS = f"results/{PROJECT.name}"
SETTINGS = f"{RESULTS}/project.yaml"
REPORT = f"{RESULTS}/report/report.html"

# Inside a conda environment or a container, `python` is the right one. Elsewhere it has to be the one
# that runs Snakemake, also where its environment is not activated.
if not workflow.deployment_settings.deployment_method:
    beside = shlex.quote(str(Path(sys.executable).parent))
    # The prefix replaces Snakemake's own, so it repeats that one's `set`. Without it, a failure before
    # a pipe would be lost.
    prefix = f'set -euo pipefail; export PATH={beside}:"$PATH"; '
    shell.prefix(prefix.replace("{", "{{").replace("}", "}}"))


onstart:
    # The whole configuration as it runs, with the command line's part. Every step reads this file.
    Path(RESULTS).mkdir(parents=True, exist_ok=True)
    Path(SETTINGS).write_text(yaml.safe_dump(PROJECT.written(), sort_keys=False))


include: "resources.smk"


wildcard_constraints:
    model=r"[A-Za-z0-9._-]+",
    dataset=r"[A-Za-z0-9_-]+",
    split=r"[A-Za-z0-9_-]+",
    size=r"\d+",
    colours=r"(\.[a-z]+)?",
    seed=r"\d+",
