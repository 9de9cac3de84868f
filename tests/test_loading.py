"""Batches come, or one line says why not: nothing is waited for without end."""

import signal
import time
from typing import NamedTuple

import pytest
import torch
from torch.utils.data import Dataset

import neco.loading
from neco.errors import MachineError, explained
from neco.loading import batches, loader


class Pair(NamedTuple):
    image: torch.Tensor
    label: torch.Tensor


class Numbers(Dataset):
    """Item `i` is made by `make`."""

    def __init__(self, make=lambda i: Pair(torch.full((3, 4), float(i)), torch.tensor(i))) -> None:
        self.make = make

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int):
        return self.make(index)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_the_same_through_memory_and_pipe(monkeypatch, small, workers):
    monkeypatch.setattr(neco.loading, "shared_memory_is_small", lambda: small)
    found = list(loader(Numbers(), 2, workers=workers))
    assert [type(batch) for batch in found] == [Pair] * 3
    for number, batch in enumerate(found):
        assert batch.label.tolist() == [2 * number, 2 * number + 1]
        assert not batch.image.is_shared() or not small
        batch.image.add_(1)  # it can be written to
        assert torch.equal(batch.image, (batch.label + 1.0)[:, None, None].expand(2, 3, 4))


def test_a_lone_item_keeps_its_nesting(monkeypatch):
    monkeypatch.setattr(neco.loading, "shared_memory_is_small", lambda: True)
    nested = Numbers(lambda i: {"a": [torch.tensor(i), (torch.tensor(1.5), "text", None)]})
    made = loader(nested, 1, workers=1, collate=lambda samples: samples[0])
    assert next(iter(made)) == {"a": [torch.tensor(0), (torch.tensor(1.5), "text", None)]}


def test_a_batch_that_cannot_be_handed_over_is_one_line():
    """A lambda cannot go through a queue; torch would wait for it for ever."""
    made = loader(Numbers(lambda i: lambda: i), 1, workers=1, collate=lambda samples: samples)
    with pytest.raises(MachineError, match=r"/dev/shm.*train\.workers"):
        next(iter(made))


def stuck(index: int) -> int:
    time.sleep(60)
    return index


def test_patience_ends(monkeypatch):
    monkeypatch.setattr(neco.loading, "LOOK", 0.05)
    with pytest.raises(MachineError, match="no batch of images came for"):
        next(batches(loader(Numbers(stuck), 1, workers=1), patience=0.1))


def test_being_asked_ends_the_waiting(monkeypatch):
    monkeypatch.setattr(neco.loading, "LOOK", 0.05)
    asked = iter([False, False, True])
    assert list(batches(loader(Numbers(stuck), 1, workers=1), lambda: next(asked))) == []


def test_a_killed_worker_is_one_line():
    with pytest.raises(RuntimeError) as told:
        next(iter(loader(Numbers(lambda i: signal.raise_signal(signal.SIGKILL)), 1, workers=1)))
    assert "was killed" in str(explained(told.value))


def test_how_much_is_small(monkeypatch, tmp_path):
    monkeypatch.setattr(neco.loading, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(neco.loading, "SMALL", 1)
    assert not neco.loading.shared_memory_is_small()
    monkeypatch.setattr(neco.loading, "SMALL", 1 << 62)
    assert neco.loading.shared_memory_is_small()
    monkeypatch.setattr(neco.loading, "SHARED_MEMORY", tmp_path / "none")
    assert neco.loading.shared_memory_is_small()


def test_no_worker_touches_shared_memory_where_it_is_small(monkeypatch):
    """torch's own collate allocates there inside a worker; here it must not."""
    monkeypatch.setattr(neco.loading, "shared_memory_is_small", lambda: True)

    def refuse(*size: object, **how: object) -> None:
        raise RuntimeError("shared memory was asked for")

    monkeypatch.setattr(torch.UntypedStorage, "_new_shared", refuse)
    assert len(list(loader(Numbers(), 2, workers=1))) == 3
