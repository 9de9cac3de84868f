"""After a kill the same command again gives what an uninterrupted run gives, with no leftovers."""

import random
import signal

import pytest

from tests.reliability import counts
from tests.reliability.killing import Scenario, contents, killed, points, run
from tests.reliability.scenarios import scenarios
from tests.reliability.world import call

NAMES = [scenario.name for scenario in scenarios(None)]
WITHIN = 10.0
"""Seconds in which a signal has to be answered."""


def named(world, name: str) -> Scenario:
    return next(scenario for scenario in scenarios(world) if scenario.name == name)


def try_kill(scenario: Scenario, place, whole: dict[str, str], **when) -> list[str]:
    wrong = killed(scenario, place, whole, **when)
    counts.kills[scenario.name] += 1
    counts.note(wrong)
    return [f"{scenario.name}, killed {when}: {line}" for line in wrong]


@pytest.mark.parametrize(
    ("name", "share"), [("training", 0.6), ("preparation again", 0.95), ("extraction", 0.8)]
)
def test_one_kill_of_a_few(world, tmp_path, name, share):
    """The fast sample."""
    scenario = named(world, name)
    first = run(scenario.command(tmp_path / "whole"), tmp_path / "whole")
    assert first.code == 0, first.told
    whole = contents(tmp_path / "whole")
    at = int(share * first.changes)
    assert not try_kill(scenario, tmp_path / "killed", whole, at=at)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_kills(world, tmp_path, name):
    scenario = named(world, name)
    first = run(scenario.command(tmp_path / "whole"), tmp_path / "whole")
    assert first.code == 0, first.told
    whole, said = contents(tmp_path / "whole"), []
    assert whole
    for at in points(first.changes, scenario.kills):
        said += try_kill(scenario, tmp_path / f"at-{at}", whole, at=at)
    chance = random.Random(name)
    for number in range(scenario.random):
        after = chance.uniform(0.05, 1.0) * first.seconds
        said += try_kill(scenario, tmp_path / f"random-{number}", whole, after=after)
    assert not said, "\n".join(said)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_sigterm_is_answered(world, tmp_path, name):
    """Within ten seconds, cleaned up, and the same command goes on."""
    scenario = named(world, name)
    first = run(scenario.command(tmp_path / "whole"), tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    place = tmp_path / "ended"
    ended = run(scenario.command(place), place, after=0.6 * first.seconds, number=signal.SIGTERM)
    # Before the command hears signals, in its first hundredths of a second, Python's own answer.
    assert ended.code in (0, 128 + signal.SIGTERM, -signal.SIGTERM), ended.told
    assert "Traceback" not in ended.told
    assert ended.seconds < WITHIN
    counts.slowest[name] = max(counts.slowest.get(name, 0.0), ended.seconds)
    if place.exists():
        assert not [name for name in contents(place) if name.endswith((".part", ".lock"))]
    again = run(scenario.command(place), place)
    assert again.code == 0, again.told
    assert contents(place) == whole


LONG = {
    "k-means, 300 clusters": lambda world, into: world.cluster(
        into / "metrics.json", "overcluster.clusters=[300]", "overcluster.iterations=100000",
        "overcluster.redos=1000", "overcluster.components=50", "overcluster.image_size=224",
        features=world.root / "features" / "large",
    ),
    "linear head, many epochs": lambda world, into: world.learn(
        into / "metrics.json", "linear.epochs=1000000"
    ),
    "Segmenter, long step": lambda world, into: world.fine_tune(
        into / "rate.json", "segmenter.iterations=1000", "segmenter.batch_size=8",
        "segmenter.crop_size=224", "segmenter.image_scale=[448, 448]",
        "segmenter.window_stride=224",
    ),
}  # fmt: skip
"""Commands that compute for minutes inside of a library or a loop."""


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_sigterm_is_answered_in_a_long_computation(world, tmp_path, name):
    if name.startswith("Segmenter"):
        pytest.importorskip("mmseg.version", reason="needs the extra `segmenter`")
    if name.startswith("k-means"):
        assert call(*world.extract(world.root / "features" / "large", side=224)).status == 0
    place = tmp_path / "long"
    ended = run(LONG[name](world, place), place, after=15.0, number=signal.SIGTERM)
    assert ended.code == 128 + signal.SIGTERM, ended.told
    assert "Traceback" not in ended.told
    counts.slowest[name] = ended.seconds
    assert not [*place.rglob("*.part"), *place.rglob("*.json")]
    assert counts.slowest[name] < WITHIN


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_sigterm_is_answered_in_a_long_step(world, tmp_path, workers):
    """A CPU needs seconds for a step on large crops: it is broken off, and nothing is lost."""
    place = tmp_path / "long"
    large = ["train.crops.global_size=448", "train.crops.local_size=96", f"train.workers={workers}"]
    command = world.train(place / "run", *large)
    ended = run(command, place, after=12.0, number=signal.SIGTERM)
    assert ended.code == 128 + signal.SIGTERM, ended.told
    assert "Traceback" not in ended.told
    assert ended.seconds < WITHIN
    counts.slowest[f"training, long step, workers {workers}"] = ended.seconds
    assert not [name for name in contents(place) if name.endswith(".part")]
