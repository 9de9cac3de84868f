"""Whether a folder of one's own is still what a dataset was prepared of."""

import hashlib
import json

from neco.data.folder.plan import FILE, Plan
from neco.data.folder.walk import Listing
from neco.data.prepare import version_of


def folder_state(listing: Listing, skip: int | None, plan: Plan | None = None) -> str:
    """Return what changes, 64 hexadecimal digits, when another dataset would be prepared.

    It covers names, sizes and times of files, what cannot be used, dataset.yaml, how many files may
    be unusable (`skip`) and the version of the preparation. No content but dataset.yaml's is read:
    a file that is written anew has another time of change, even where its own times were put back.
    Files that the preparation passes over do not count.
    plan: of a preparation without labels, for training. Then only the images of its splits count,
    so that a mask that comes or goes prepares nothing anew.
    """
    splits = {} if plan is None else plan.splits
    files = [name for names in splits.values() for name in names]
    if plan is None:
        files = [*listing.images, *sorted(listing.unread), *listing.others]
    about = {
        "root": str(listing.root),
        "version": version_of("folder"),
        "skip": skip,
        "splits": {split: len(names) for split, names in splits.items()},
        "unusable": sorted(entry.message for entry in listing.left_out.unusable),
    }
    content = hashlib.sha256(json.dumps(about).encode())
    for name in files:
        at = (listing.root / name).stat()
        told = [name, at.st_size, at.st_mtime_ns, at.st_ctime_ns]
        content.update(json.dumps(told).encode())
    settings = listing.root / FILE
    content.update(settings.read_bytes() if settings.is_file() else b"")
    return content.hexdigest()
