"""The settings of a training for one's own images, by the rules of neco.config.fit."""

from typing import Any

from neco.config.base import merged, validated
from neco.config.fit import Fit
from neco.config.training import Train, with_preset
from neco.errors import UserError
from neco.fit.machine import Machine
from neco.fit.order import Asked
from neco.plan.arithmetic import Shape

KEPT = (
    *("dataset", "split", "batch_size", "accumulate", "precision", "workers", "checkpoint_every"),
)
"""Settings that were chosen before the pace was known."""


def first_settings(
    images: int, dataset: str, split: str, machine: Machine, shape: Shape, asked: Asked, rules: Fit
) -> Train:
    """Return the settings but for what depends on the pace: that is measured with these.

    images: how many the split of the dataset has. shape: the backbone's. Raises UserError for too
    few images and for a setting that is unknown or impossible.
    """
    if images < rules.least_images:
        raise UserError(
            f"{images} image{'s' * (images != 1)} to train on; fit wants {rules.least_images} or "
            "more, because every patch is compared with patches of other images"
        )
    batch = min(rules.gpu_batch if machine.gpu else rules.cpu_batch, images)
    values: dict[str, Any] = {
        "preset": "fast",
        "dataset": dataset,
        "split": split,
        "batch_size": batch,
        "precision": "auto",
        "workers": _workers(machine, rules),
        "checkpoint_every": rules.checkpoint_every,
        "crops": _crops(machine, shape, rules),
        **({"steps": asked.steps} if asked.steps else {}),
    }
    given = dict(asked.train or {})
    chosen = _trained(merged(values, given))
    if "accumulate" not in given:
        parts = _parts(chosen, machine, shape, rules)
        chosen = _trained(merged(merged(values, {"accumulate": parts}), given))
    return chosen


def with_length(settings: Train, steps: int, asked: Asked, rules: Fit) -> Train:
    """Return the settings of a training of so many steps: its preset and learning rate."""
    given = dict(asked.train or {})
    seen = steps * settings.batch_size
    preset = given.get("preset") or ("paper" if seen >= rules.paper_from else "fast")
    values = {key: value for key, value in settings.model_dump().items() if key in KEPT}
    values |= {"preset": preset, "steps": steps, "log_every": max(1, min(10, steps // 20))}
    values["crops"] = {
        "global_size": settings.crops.global_size,
        "local_size": settings.crops.local_size,
    }
    if preset == "fast":
        rate = min(rules.learning_rate, rules.path / steps)
        values["optimiser"] = {"backbone_learning_rate": float(f"{rate:.3g}")}
    return _trained(merged(values, {**given, "steps": steps}))


def steps_of(
    settings: Train, images: int, pace: float, left: float | None, asked: Asked, machine: Machine,
    rules: Fit,
) -> tuple[int, str]:  # fmt: skip
    """Return how many steps to take, and in words why.

    pace: seconds of a step. left: seconds of the user's `--time` that are left for steps. Raises
    UserError where not even one step fits into them.
    """
    given = asked.steps or (asked.train or {}).get("steps")
    if given:
        return int(given), "as asked"
    per_epoch = max(images // settings.batch_size, 1)
    if left is not None:
        steps = int(left / pace)
        if steps < 1:
            raise UserError(
                f"--time: nothing is left for a step, which takes {pace:.1f} s here; allow more "
                "time, or lower train.batch_size or train.crops"
            )
        few = f"; a gain was measured from {rules.least_steps} on" * (steps < rules.least_steps)
        return min(steps, rules.most_steps), f"as many as fit into --time{few}"
    if (asked.train or {}).get("epochs"):
        return settings.epochs * per_epoch, f"{settings.epochs} times every image, as asked"
    wanted = max(rules.epochs * per_epoch, rules.least_steps)
    steps, why = wanted, f"{wanted / per_epoch:.0f} times every image"
    if wanted > rules.most_steps:
        steps, why = rules.most_steps, "as many as the paper's run"
    if not machine.gpu and steps * pace > rules.cpu_minutes * 60:
        steps = int(rules.cpu_minutes * 60 / pace)
        why = f"as many as fit into {rules.cpu_minutes:g} minutes on this CPU; --time asks for more"
    if steps < rules.least_steps:
        steps, why = rules.least_steps, "the fewest that a gain was measured with"
    return steps, why


def described(
    settings: Train, images: int, why_steps: str, machine: Machine, asked: Asked, rules: Fit
) -> list[tuple[str, str, str]]:
    """Return rows of setting, value and reason, to be shown before the start."""
    given = asked.train or {}

    def why(key: str, reason: str) -> str:
        return "as asked" if key in given else reason

    steps = settings.steps or 0
    seen = steps * settings.batch_size
    crops, optimiser = settings.crops, settings.optimiser
    where = "for a GPU" if machine.gpu else "for a CPU"
    precision = machine.precision if settings.precision == "auto" else settings.precision
    return [
        ("images", f"{images:,}", f"split `{settings.split}`"),
        ("steps", f"{steps:,}", why_steps),
        ("batch_size", str(settings.batch_size), why("batch_size", where)),
        ("images seen", f"{seen:,}", f"{seen / images:.1f} times every image"),
        ("preset", settings.preset, why("preset", f"`paper` from {rules.paper_from:,} seen on")),
        ("learning rate", f"{optimiser.backbone_learning_rate:g}",
         why("optimiser", "of the backbone")),
        ("crops", f"{crops.global_size} and {crops.local_size} pixels", why("crops", where)),
        ("accumulate", str(settings.accumulate),
         why("accumulate", f"{machine.memory / 1e9:.1f} GB are free")),
        ("precision", precision, why("precision", machine.name)),
        ("workers", str(settings.workers), why("workers", f"{machine.cores} cores")),
    ]  # fmt: skip


def step_bytes(settings: Train, machine: Machine, shape: Shape, rules: Fit) -> float:
    """Return about how many bytes a step takes for its batch in one part, weights apart."""
    crops = settings.crops
    views = ((crops.global_count, crops.global_size), (crops.local_count, crops.local_size))
    tokens = sum(
        count * ((side // shape.patch_size) ** 2 + shape.prefix_tokens) for count, side in views
    )
    half = 0.5 if machine.precision == "bf16-mixed" else 1.0
    numbers = settings.batch_size * tokens * shape.dim * shape.depth
    return rules.bytes_per_number * half * numbers


def _parts(settings: Train, machine: Machine, shape: Shape, rules: Fit) -> int:
    """Return in how many equal parts a batch has to be taken to fit into the memory."""
    needed, free = step_bytes(settings, machine, shape, rules), rules.memory_share * machine.memory
    size = settings.batch_size
    for parts in range(1, size + 1):
        if size % parts == 0 and needed / parts <= free:
            return parts
    return size


def _workers(machine: Machine, rules: Fit) -> int:
    if machine.gpu:
        return min(max(machine.cores - 1, 0), rules.gpu_workers)
    return rules.cpu_workers if machine.cores > 4 else 0


def _crops(machine: Machine, shape: Shape, rules: Fit) -> dict[str, int]:
    """Return the sides of crops in whole patches."""
    wanted = rules.gpu_crops if machine.gpu else rules.cpu_crops
    patch = shape.patch_size
    sides = [
        max(round(side / patch), least) * patch
        for side, least in zip(wanted, rules.least_patches, strict=True)
    ]
    return {"global_size": sides[0], "local_size": sides[1]}


def _trained(values: dict[str, Any]) -> Train:
    return validated(Train, with_preset(values, "train"), "train")
