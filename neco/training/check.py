"""What a training would refuse in its first step, told before images are read or files written."""

import torch

from neco.backbones.backbone import Backbone
from neco.config.loss import References
from neco.config.training import Train
from neco.errors import UserError
from neco.references import choices_of, refuse_too_few
from neco.sorting.implementations import choose
from neco.sorting.networks import sorting_network
from neco.sorting.triton_path import missing
from neco.training.batches import total_steps
from neco.training.launch import refuse_unequal_shares
from neco.training.student_teacher import refuse_too_many_blocks


def refuse_impossible(backbone: Backbone, images: int, settings: Train, processes: int = 1) -> None:
    """Raise UserError for settings that no training of this backbone can have.

    images: how many the split has. processes: that train together. The backbone's weights are not
    read, so that it may lie on the device `meta`.
    """
    refuse_unequal_shares(settings, processes)
    total_steps(images, settings)
    refuse_too_many_blocks(backbone, settings.trainable_blocks)
    if settings.loss.patches != "both":
        backbone.refuse_without_class_token()
    _refuse_references(backbone.patch_size, settings, processes)
    if settings.compile and torch.cuda.is_available() and (reason := missing()):
        raise UserError(f"train.compile: {reason}; install it, or set train.compile to false")
    sorting, count = settings.loss.sorting, settings.loss.references.count
    sorting_network(sorting.network, count)
    if sorting.implementation not in ("auto", "reference"):
        device = "cuda" if torch.cuda.is_available() else "cpu"
        choose(sorting.implementation, sorting.network, torch.empty(1, count, device=device))


def _refuse_references(patch_size: int, settings: Train, processes: int) -> None:
    """Raise UserError where the first step has fewer patches than references.

    The rules are those of `NeCoLoss`: references come from aligned patches of one pair or of all
    pairs, from the student's global crops, or from a queue that one step fills.
    """
    crops, references = settings.crops, settings.loss.references
    images = settings.batch_size // (1 if references.gather else processes)
    whole = (crops.global_size // patch_size) ** 2
    if references.source == "student":
        patches = crops.global_count * whole
    else:
        views = crops.global_count + crops.local_count
        pairs = 1 if references.per_pair else crops.global_count * (views - 1)
        patches = pairs * settings.loss.aligned_size**2
    if not _filled_at_once(references, images, images * whole):
        refuse_too_few(choices_of(images, patches, references), references)


def _filled_at_once(references: References, images: int, tokens: int) -> bool:
    if references.source != "queue":
        return False
    pushed = min(references.queue_per_image * images, tokens, references.queue_length)
    return pushed >= references.count
