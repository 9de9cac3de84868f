"""The commands that are killed."""

from importlib.util import find_spec
from pathlib import Path

from tests.reliability.damage import copied
from tests.reliability.killing import Scenario
from tests.reliability.world import World


def scenarios(world: World) -> list[Scenario]:
    """Return every command that writes something, with how often it is killed."""

    def replaced(into: Path) -> list[object]:
        """Prepare over what is there: the old content must survive or be replaced."""
        if not into.exists():
            copied(world.data, into / "set")
        return world.prepare(world.folder, into / "set")

    segmenter = [
        Scenario("Segmenter", lambda into: world.fine_tune(into / "rate.json"), 8, 2)
    ] * (find_spec("mmseg") is not None)  # fmt: skip
    return [
        Scenario("training", lambda into: world.train(into / "run"), 24, 4),
        Scenario("preparation", lambda into: world.prepare(world.folder, into / "set"), 12, 2),
        Scenario("preparation again", replaced, 8),
        Scenario("extraction", lambda into: world.extract(into / "features"), 8, 2),
        Scenario("attention", lambda into: world.attend(into / "attention.npz"), 5),
        Scenario("evaluation", lambda into: world.evaluate(into / "metrics.json"), 5, 1),
        Scenario("k-means", lambda into: world.cluster(into / "metrics.json"), 5, 1),
        Scenario("linear head", lambda into: world.learn(into / "metrics.json"), 5, 1),
        *segmenter,
        Scenario(
            "weights",
            lambda into: ["weights", "demo-vit", "--into", into / "w.safetensors",
                          "--downloads", into / "downloads"],
            6, 2,
        ),
        Scenario(
            "packing", lambda into: ["pack", "--data", world.data, "--into", into / "packed"], 8, 1
        ),
        Scenario(
            "scenes",
            lambda into: ["scenes", "--into", into / "archives", "--processes", 1, "--set",
                          "scenes={train: 4, val: 2, unlabelled: 0, width: 32, height: 32}",
                          "--set", "datasets={ade20k: {}}"],
            5, 2,
        ),
        Scenario(
            "fetch",
            lambda into: ["fetch", "ADEChallengeData2016.zip", "--into", into / "archives",
                          "--mirror", world.root / "mirror"],
            4,
        ),
    ]  # fmt: skip
