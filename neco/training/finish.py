"""The last writes of a training, in an order that no kill can turn into a start from zero.

    <folder>/.finished/   the results and their identity; written whole, and first
    <folder>/*            the same files again: hard links where the file system has them

The results come in, and the files come out. Only when both are written are the checkpoints removed.
A workflow deletes the results of a job that was killed before it could note that it is done. The
same command then finds `.finished` and puts the results back.
"""

import contextlib
import hashlib
import json
import logging
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

import neco
from neco.files import file_digest, whole_file, whole_folder, write_json, write_text
from neco.run_files import ABOUT, FINISHED, METRICS, PARTIAL_METRICS, WEIGHTS
from neco.training.checkpoint import Identity, plain_identity, remove_checkpoint

log = logging.getLogger(__name__)


def publish(
    folder: Path,
    weights: dict[str, Tensor],
    metrics: str,
    about: dict[str, Any],
    identity: Identity,
    checkpoint: Path,
) -> Path:
    """Write a training's results, remove its checkpoints, and return the weights' path.

    weights: what `export_state_dict` returned. metrics: rows as CSV (MetricsWriter.text). about:
    what training.json says. identity, checkpoint: as for save_checkpoint.
    """
    with whole_folder(folder / FINISHED) as work:
        with whole_file(work / WEIGHTS) as unfinished:
            save_file(weights, unfinished)
        write_text(work / METRICS, metrics)
        write_json(work / ABOUT, about)
        digests = {name: file_digest(work / name) for name in (WEIGHTS, METRICS, ABOUT)}
        record = {"identity": plain_identity(identity), "code": code_digest(), "files": digests}
        write_json(work / "record.json", record)
    return _put_back(folder, checkpoint)


def published(folder: Path, identity: Identity, checkpoint: Path) -> Path | None:
    """Return the weights' path of a training that is finished already, else None.

    Results that are missing or changed are put back. A record of another identity, of other code
    or with damaged files does not count, and the training is run.
    """
    try:
        record = json.loads((folder / FINISHED / "record.json").read_text())
        now = json.loads(json.dumps({"identity": plain_identity(identity), "code": code_digest()}))
        if {key: record[key] for key in now} != now:
            return None
        for name in (WEIGHTS, METRICS, ABOUT):
            if file_digest(folder / FINISHED / name) != record["files"][name]:
                return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    log.info("%s: is finished with these settings, images and start; nothing to do", folder)
    return _put_back(folder, checkpoint)


@cache
def code_digest() -> str:
    """Return a digest of this package's source, because other code may train to other weights."""
    root = Path(neco.__file__).parent
    content = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in (".py", ".cpp", ".h"):
            content.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return content.hexdigest()[:16]


def _put_back(folder: Path, checkpoint: Path) -> Path:
    for name in (METRICS, ABOUT, WEIGHTS):
        source, target = folder / FINISHED / name, folder / name
        if target.exists() and source.samefile(target):
            continue
        with whole_file(target) as unfinished:
            linked = False
            with contextlib.suppress(OSError):
                unfinished.unlink()
                unfinished.hardlink_to(source)
                linked = True
            if not linked:  # a file system without links
                shutil.copyfile(source, unfinished)
    remove_checkpoint(checkpoint)
    (folder / PARTIAL_METRICS).unlink(missing_ok=True)
    return folder / WEIGHTS
