"""Batches come, or one line says why not: nothing is waited for without end."""

import signal
import subprocess
import sys
import threading
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


@pytest.fixture
def pinning(monkeypatch):
    """Let torch's thread for pinned memory run as on a GPU; what it pins stays as it is."""
    for name, answer in {
        "is_available": lambda: True,
        "current_accelerator": lambda *_: torch.device("cuda"),
        "current_device_index": lambda: 0,
        "set_device_index": lambda _: None,
    }.items():
        monkeypatch.setattr(torch.accelerator, name, answer)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self, *_: self)


@pytest.mark.parametrize("small", [False, True])
def test_workers_that_are_ended_while_they_hand_over_leave_nobody_waiting(
    monkeypatch, pinning, small
):
    """The thread that pins would wait for the rest of a batch, or fall over a worker that left."""
    fallen = []
    monkeypatch.setattr(threading, "excepthook", fallen.append)
    monkeypatch.setattr(neco.loading, "shared_memory_is_small", lambda: small)
    large = Numbers(lambda i: torch.zeros(1 << 22))
    for _ in range(3):
        coming = batches(loader(large, 1, workers=2, pin_memory=True))
        next(coming)
        threads = [t for t in threading.enumerate() if "_pin_memory_loop" in t.name]
        assert len(threads) == 1
        ending = threading.Thread(target=coming.close, daemon=True)
        ending.start()
        ending.join(60)
        assert not ending.is_alive() and not threads[0].is_alive() and not fallen


ABANDONED = """
import multiprocessing, threading, types
import neco.loading
neco.loading.LOOK = 0.1
queue = multiprocessing.get_context().Queue()
queue._wlock.acquire()  # as a worker does that dies while it hands over
thread = threading.Thread(target=threading.Event().wait, daemon=True)
thread.start()
source = types.SimpleNamespace(
    _pin_memory_thread=thread, _pin_memory_thread_done_event=threading.Event(),
    _worker_result_queue=queue,
)
neco.loading._end_pinning(source)
"""


def test_a_process_ends_although_a_worker_died_while_it_handed_over():
    subprocess.run([sys.executable, "-c", ABANDONED], check=True, timeout=60)
