"""Rules: what they promise holds for every number of images and machine."""

import weakref
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neco.config.fit import Fit
from neco.errors import UserError
from neco.fit import settle
from neco.fit.choose import described, first_settings, step_bytes, steps_of, with_length
from neco.fit.machine import Machine, free_memory
from neco.fit.order import Asked
from neco.plan.arithmetic import Shape

SMALL = Shape(depth=12, dim=384, hidden=1536, patch_size=14, prefix_tokens=1)
LAPTOP = Machine("cpu", "laptop", 16 << 30, 4, "32-true")
CARD = Machine("cuda", "card", 24 << 30, 16, "bf16-mixed")
RULES = Fit()


def first(images, machine=LAPTOP, shape=SMALL, rules=RULES, **asked):
    return first_settings(images, "mine", "train", machine, shape, Asked(**asked), rules)


@given(
    images=st.integers(8, 100_000),
    memory=st.integers(1 << 28, 1 << 37),
    gpu=st.booleans(),
    patch=st.sampled_from([7, 8, 14, 16, 28, 32]),
    depth=st.integers(1, 40),
)
def test_a_batch_fits_images_parts_and_memory(images, memory, gpu, patch, depth):
    machine = replace(CARD if gpu else LAPTOP, memory=memory)
    shape = replace(SMALL, patch_size=patch, depth=depth)
    settings = first(images, machine, shape)
    size, parts = settings.batch_size, settings.accumulate
    assert size <= images and size % parts == 0
    needed, free = step_bytes(settings, machine, shape, RULES), RULES.memory_share * memory
    assert needed / parts <= free or parts == size
    for side, least in (
        (settings.crops.global_size, RULES.least_patches[0]),
        (settings.crops.local_size, RULES.least_patches[1]),
    ):
        assert side % patch == 0 and side >= least * patch


@given(steps=st.integers(1, 200_000), batch=st.sampled_from([8, 12, 64]))
def test_length_decides_on_preset_and_learning_rate(steps, batch):
    settings = with_length(
        first(1000).model_copy(update={"batch_size": batch}), steps, Asked(), RULES
    )
    assert settings.steps == steps and settings.batch_size == batch
    long = steps * batch >= RULES.paper_from
    assert settings.preset == ("paper" if long else "fast")
    assert settings.head.start == ("random" if long else "principal")
    rate = settings.optimiser.backbone_learning_rate
    if long:
        assert rate == 1e-6
    else:
        assert rate <= RULES.learning_rate and rate * steps <= RULES.path * 1.01


@given(
    images=st.integers(8, 1_000_000),
    pace=st.floats(0.01, 1000),
    left=st.none() | st.floats(1, 1e6),
    gpu=st.booleans(),
)
def test_steps_keep_to_time_and_bounds(images, pace, left, gpu):
    machine = CARD if gpu else LAPTOP
    settings = first(images, machine)
    if left is not None and left < pace:
        with pytest.raises(UserError, match="nothing is left for a step"):
            steps_of(settings, images, pace, left, Asked(), machine, RULES)
        return
    steps, _ = steps_of(settings, images, pace, left, Asked(), machine, RULES)
    assert 1 <= steps <= RULES.most_steps
    if left is not None:
        assert steps * pace <= left * 1.0001
    else:
        assert steps >= RULES.least_steps
        if not gpu:
            assert steps == RULES.least_steps or steps * pace <= RULES.cpu_minutes * 60 * 1.0001


def test_what_is_asked_is_not_chosen():
    asked = {"batch_size": 4, "accumulate": 2, "optimiser": {"backbone_learning_rate": 3e-4},
             "crops": {"local_size": 56}, "preset": "released", "seed": 5}  # fmt: skip
    settings = first(100, train=asked)
    assert (settings.batch_size, settings.accumulate, settings.crops.local_size) == (4, 2, 56)
    assert settings.crops.global_size == 112
    final = with_length(settings, 70, Asked(train=asked), RULES)
    assert (final.preset, final.seed, final.batch_size, final.accumulate) == ("released", 5, 4, 2)
    assert final.optimiser.backbone_learning_rate == 3e-4
    assert final.loss.references.source == "queue"  # the preset's
    for length in ({"steps": 9}, {"train": {"steps": 9}}):
        assert steps_of(settings, 100, 1.0, None, Asked(**length), LAPTOP, RULES)[0] == 9
    epochs = Asked(train={"epochs": 2, "batch_size": 4})
    settings = first(100, train=epochs.train)
    assert steps_of(settings, 100, 1.0, None, epochs, LAPTOP, RULES)[0] == 50


def test_too_few_images_and_unknown_settings():
    with pytest.raises(UserError, match="1 image to train on; fit wants 8 or more"):
        first(1)
    assert first(3, rules=Fit(least_images=2)).batch_size == 3
    with pytest.raises(UserError, match="did you mean 'batch_size'"):
        first(100, train={"batch_sise": 3})


def test_rows_say_what_was_chosen():
    settings = with_length(first(100), 60, Asked(), RULES)
    asked = Asked(train={"workers": 3})
    rows = {row[0]: row[1:] for row in described(settings, 100, "why", LAPTOP, asked, RULES)}
    assert rows["steps"] == ("60", "why") and rows["images seen"][0] == "720"
    assert rows["workers"][1] == "as asked" and rows["batch_size"] == ("12", "for a CPU")


def test_free_memory_is_read(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   2048 kB\n")
    assert free_memory(tmp_path / "meminfo") == 2048 * 1024
    assert free_memory(tmp_path / "none") <= 4 << 30


def test_a_full_gpu_takes_the_batch_in_more_parts_with_its_memory_free_again(monkeypatch):
    """What the failed step held has to be gone when memory is given back, and before the next."""
    held, asked = [], []

    class Activations:
        pass

    def measure(backbone, dataset, settings, *_):
        asked.append(settings.accumulate)
        assert not [held() for held in held if held()]
        taken = Activations()
        taken.itself = taken
        held.append(weakref.ref(taken))
        if settings.accumulate < 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "pace"

    def emptied():
        assert held[-1]() is None

    monkeypatch.setattr(settle, "measure_pace", measure)
    monkeypatch.setattr(torch.cuda, "empty_cache", emptied)
    order = SimpleNamespace(rules=RULES)
    pace, settings = settle._paced(None, None, first(1000, CARD), order, None)
    assert (pace, asked, settings.accumulate) == ("pace", [2, 4], 4)
