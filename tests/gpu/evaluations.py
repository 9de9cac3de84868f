"""Evaluations on a card that is not there; prints a JSON line for each.

python -m tests.gpu.evaluations

An evaluation may wait for the card, which a training step may not. What it reads here is that a
condition holds, and zeros; where the size of a result depends on values, it is a few rows.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from benchmarks.gpu import card as facts
from benchmarks.gpu import search
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.bundle import draw_scenes
from benchmarks.training import network
from neco.config.consistency import Consistency
from neco.config.segmenter import Segmenter
from neco.data.dataset import Dataset, read_dataset
from neco.evaluate import consistency, in_context, linear
from neco.evaluate.in_context import Extraction, InContext
from neco.evaluate.linear import Linear
from neco.evaluate.search import exact
from neco.evaluate.search.bank import Bank, inverse_norms, unit_length
from neco.evaluate.unsupervised.attention import write_attention
from neco.features import extract_features
from tests.gpu.pretended import CARD, pretended_card

aten = torch.ops.aten
FEW = 3
"""Rows of a result whose size depends on values"""


class Reading(TorchDispatchMode):
    """Answers what the host asks of the card: with zeros, and with a few rows."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        """How much was copied to the host"""
        self.copies = 0
        self.products: set[str] = set()
        """The types of matrix products on the card"""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        flat, _ = tree_flatten((args, kwargs))
        fakes = [value for value in flat if isinstance(value, FakeTensor)]
        if not fakes:
            return operation(*args, **kwargs)
        kind = operation.overloadpacket
        if kind is aten._local_scalar_dense:
            self.copies += 1
            return fakes[0].dtype == torch.bool or 0
        if kind is aten.nonzero:
            return torch.zeros(FEW, fakes[0].ndim, dtype=torch.int64, device=CARD)
        if kind is aten.bincount:
            return torch.zeros(kwargs.get("minlength") or args[2], dtype=torch.int64, device=CARD)
        if kind is aten.index:
            args = (args[0], [self._places(index) for index in args[1]])
        if kind in (aten.mm, aten.bmm, aten.addmm, aten.convolution):
            self.products.add(f"{kind.__name__} {fakes[0].dtype}")
        if kind is aten._to_copy and torch.device(kwargs.get("device") or CARD).type == "cpu":
            self.copies += 1
            self.bytes += fakes[0].numel() * fakes[0].element_size()
            return torch.zeros(fakes[0].shape, dtype=kwargs.get("dtype") or fakes[0].dtype)
        if kind is aten.copy_ and not isinstance(args[0], FakeTensor):
            return args[0].zero_()
        return operation(*args, **kwargs)

    @staticmethod
    def _places(index: Tensor | None) -> Tensor | None:
        """Return the places that a mask on the card chooses: the first few."""
        if index is None or index.dtype != torch.bool:
            return index
        return torch.zeros(FEW, dtype=torch.int64, device=index.device)


@contextmanager
def card() -> Iterator[Reading]:
    """Yield what was read from a pretended card meanwhile."""
    with pretended_card(), Reading() as reading:
        yield reading


def told(case: str, reading: Reading, **more: Any) -> dict[str, Any]:
    """Return the record of a walk."""
    return {
        "case": case,
        "copies": reading.copies,
        "bytes": reading.bytes,
        "products": sorted(reading.products),
        **more,
    }


def searches() -> Iterator[dict[str, Any]]:
    """Yield a record of exact search with either storage, of queries that no bound proves."""
    tokens = np.random.default_rng(0).standard_normal((exact.SMALL + 5, 32)).astype(np.float16)
    bank = Bank(tokens, inverse_norms(tokens), csr_matrix((len(tokens), 3), dtype=np.float32))
    queries = unit_length(tokens[:100])
    for storage in ("float16", "int8"):
        with card() as reading:
            found = exact.ExactSearch(bank, CARD, storage)
            cosines, indices = found.search(queries, 7)
        assert cosines.shape == indices.shape == (100, 7)
        yield told(f"search {storage}", reading, unproved=found.unproved, flat=found.flat)
    few = Bank(tokens[:99], bank.inverse_norms[:99], bank.soft[:99])
    with card() as reading:
        exact.ExactSearch(few, CARD).search(queries, 7)
    yield told("search few", reading)


def protocols(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a record of features and of every frozen protocol that uses a GPU."""
    photographs = draw_scenes(folder / "data", {"train": 4, "val": 3}, (64, 80))
    train, val = (read_dataset(photographs, split) for split in ("train", "val"))
    extraction = Extraction(workers=0, batch_size=2)
    # The digest of the weights is of values, which a pretended card has none of.
    with patch("neco.features.model_digest", lambda _: "weights"):
        with card() as reading:
            backbone = network("demo-vit").to(CARD)
            features = [
                extract_features(backbone, part, 32, extraction, folder / part.split, {})
                for part in (train, val)
            ]
        yield told("extract", reading, bytes_stored=sum(f.tokens.nbytes for f in features))
    backbone.to = lambda *_: backbone  # it is there, and a second move would swap its weights
    with card() as reading:
        write_attention(backbone, val, 32, extraction, folder / "attention.npz")
    yield told("attend", reading)
    whole = extraction.model_copy(update={"precision": "32-true"})
    for epochs, how in ((0, extraction), (1, extraction), (1, whole)):
        values = {"fractions": [1], "image_size": 32, "bootstrap": 0}
        settings = InContext(**values, augmentation={"epochs": epochs})
        with card() as reading:
            in_context.evaluate(
                features[0], train, features[1], val, settings, "cuda",
                backbone=backbone, extraction=how,
            )  # fmt: skip
        yield told(f"in-context, augmented {epochs}, {how.precision}", reading)
    yield from linears(features, train, val, backbone, extraction)
    with card() as reading:
        settings = Consistency(images=3, image_size=32, references=20, neighbours=2, bootstrap=0)
        consistency.evaluate(val, settings, backbone=backbone, extraction=extraction, device="cuda")
    yield told("consistency", reading)


def linears(
    features: list[Any], train: Dataset, val: Dataset, backbone: Any, extraction: Extraction
) -> Iterator[dict[str, Any]]:
    """Yield a record of the linear head, on cached tokens and through the backbone."""
    whole = extraction.model_copy(update={"precision": "32-true"})
    for augment, how in ((False, extraction), (True, extraction), (True, whole)):
        settings = Linear(
            augment=augment, epochs=2, batch_size=2, image_size=32, mask_size=20, seeds=[0],
            bootstrap=0,
        )  # fmt: skip
        with card() as reading, patch.object(Tensor, "backward", gradients):
            linear.evaluate(
                features[0], train, features[1], val, settings,
                backbone=backbone, extraction=how, device="cuda",
            )  # fmt: skip
        yield told(f"linear, augmented {augment}, {how.precision}", reading)


def segmenters(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a record of two iterations of a fine-tuning and of the held-out images."""
    from neco.evaluate.segmenter.evaluate import score
    from neco.evaluate.segmenter.fine_tune import _step
    from neco.evaluate.segmenter.images import training_batches
    from neco.evaluate.segmenter.network import build_network

    train, val = (read_dataset(folder / "data", split) for split in ("train", "val"))
    settings = Segmenter(
        crop_size=32, window_stride=24, image_scale=(64, 32), batch_size=2, iterations=2,
        decoder_layers=1, bootstrap=0, precision="bf16-mixed",
    )  # fmt: skip
    images = list(training_batches(train, settings, 0, 0, 0))
    with card() as reading, patch.object(Tensor, "backward", gradients):
        network_of = build_network(
            network("demo-vit"), len(train.classes), settings, kind="cuda"
        ).to(CARD)
        optimiser = torch.optim.Adam(network_of.parameters(), lr=1e-5)
        for iteration, batch in enumerate(images):
            losses = _step(network_of, optimiser, batch, settings, 1e-5, 0, iteration)
        waited = reading.copies
        counts = {state["step"].device.type for state in optimiser.state.values()}
        score(network_of, val, settings, 0)
    yield told(
        "segmenter", reading, waited=waited, counts=sorted(counts), half=network_of.half,
        loss=f"{losses['loss_ce'].device} {losses['loss_ce'].dtype}",
    )  # fmt: skip


class CardsGenerator:
    """Stands in for torch.Generator of a card: what it draws has no contents."""

    def __init__(self, device: torch.device) -> None:
        assert torch.device(device).type == "cuda"

    def manual_seed(self, seed: int) -> None:
        """Return no generator, which PyTorch takes for the card's own."""


def proofs(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a record of the GPU proofs that need no training, with few keys to search."""
    bench = Bench(CARD, False, folder, seconds=600.0)
    about = SimpleNamespace(
        major=9, minor=0, multi_processor_count=132, total_memory=80_000_000_000
    )
    replaced: list[tuple[Any, str, Any]] = [
        (torch.cuda, "synchronize", lambda *_: None),
        (torch.cuda, "get_device_properties", lambda *_: about),
        (torch.cuda, "max_memory_allocated", lambda *_: 0),
        (torch.cuda, "reset_peak_memory_stats", lambda *_: None),
        (torch, "Generator", CardsGenerator),
        (search, "KEYS", 2 * exact.SMALL),
        (search, "QUERIES", 700),
        (search, "PASS_QUERIES", 300),
    ]
    for part in (search, facts):
        with card() as reading, ExitStack() as stack:
            for owner, name, answer in replaced:
                stack.enter_context(patch.object(owner, name, answer))
            found = [row["measured"] for row in part.measure(bench)]
        yield told(part.__name__.rpartition(".")[2], reading, measured=found)


def gradients(loss: Tensor) -> None:
    """Give every parameter that the loss depends on a gradient without contents."""
    waiting, seen = [loss.grad_fn], {loss.grad_fn}
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):
            node.variable.grad = torch.zeros_like(node.variable)
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        for walk in (searches(), protocols(Path(made)), segmenters(Path(made)), proofs(Path(made))):
            for record in walk:
                print(json.dumps(record), flush=True)
