"""What the evaluation benchmark times: every fast path beside what a user would write."""

from collections.abc import Callable, Iterator
from typing import Any

import faiss
import numpy as np
import torch

from benchmarks.evaluation.measure import Case, bank_of, tokens_like_a_vit
from neco.config.in_context import Ivf, Scann
from neco.evaluate.clustering import kmeans, reduced_tokens
from neco.evaluate.matching import contingency, match_by_precision
from neco.evaluate.metrics import Tally
from neco.evaluate.patch_labels import patch_histograms, transfer_labels
from neco.evaluate.search.bank import Bank, unit_length
from neco.evaluate.search.exact import ExactSearch
from neco.evaluate.search.libraries import ScannSearch, faiss_flat, faiss_ivf
from neco.transforms import resize_bilinear

NEIGHBOURS = 30


def histogram_cases() -> Iterator[Case]:
    """Patch labels of one 518-pixel mask of 21, 60 and 151 classes."""

    def one_hot(mask: np.ndarray, classes: int) -> np.ndarray:
        hot = torch.nn.functional.one_hot(torch.from_numpy(mask).long(), classes)
        cells = hot.reshape(37, 14, 37, 14, classes).float()
        return cells.mean(dim=(1, 3)).reshape(-1, classes).numpy()

    for classes in (21, 60, 151):
        mask = np.random.default_rng(0).integers(0, classes, (37, 37)).astype(np.uint8)
        mask = np.kron(mask, np.ones((14, 14), np.uint8))
        case = ("histograms", classes, "classes", 151)
        part, size, unit, paper = case
        ours = lambda m=mask, c=classes: patch_histograms(m, 14, c) / 196  # noqa: E731
        yield Case(part, "ours (bincount)", size, unit, paper, ours, 20)
        slow = lambda m=mask, c=classes: one_hot(m, c)  # noqa: E731
        yield Case(part, "one-hot of every pixel", size, unit, paper, slow, 2)


def transfer_cases() -> Iterator[Case]:
    """Labels of queries from their 30 neighbours in a bank of 102,400."""
    bank = bank_of(tokens_like_a_vit(102_400))
    dense, keys = bank.soft.toarray(), bank.keys()

    def gather(queries: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
        """Read the keys again and compute the cosines that the search already had."""
        near = torch.from_numpy(keys[neighbours])
        near = near / near.norm(dim=2, keepdim=True)
        unit = torch.from_numpy(queries)
        unit = unit / unit.norm(dim=1, keepdim=True)
        weights = ((unit[:, None] * near).sum(dim=2) / 0.02).softmax(dim=1)
        labels = torch.from_numpy(dense[neighbours])
        return (weights[:, :, None] * labels).sum(dim=1).numpy()

    for count in (800, 3200, 12_800):
        queries = unit_length(tokens_like_a_vit(count, seed=1))
        generator = np.random.default_rng(0)
        neighbours = generator.integers(0, len(bank), (count, NEIGHBOURS))
        cosines = np.einsum("qd,qkd->qk", queries[:64], keys[neighbours[:64]])
        cosines = np.tile(cosines, (count // 64 + 1, 1))[:count].astype(np.float32)
        ours = lambda c=cosines, n=neighbours: transfer_labels(c, n, bank.soft, 0.02)  # noqa: E731
        yield Case("transfer", "ours (sparse product)", count, "queries", 1_983_681, ours, 5)
        slow = lambda q=queries, n=neighbours: gather(q, n)  # noqa: E731
        yield Case("transfer", "gather 30 keys", count, "queries", 1_983_681, slow, 2)


def matching_cases() -> Iterator[Case]:
    """K = 500 clusters to 21 classes, on 10,000 pixels an image."""
    from sklearn.metrics.cluster import contingency_matrix

    def per_pair(clusters: np.ndarray, masks: np.ndarray) -> np.ndarray:
        score = np.empty((500, 21))
        for cluster in range(500):
            inside = clusters == cluster
            for k in range(21):
                score[cluster, k] = (inside & (masks == k)).sum() / max(inside.sum(), 1)
        return score.argmax(axis=1)

    for images in (14, 145, 1449):
        generator = np.random.default_rng(0)
        masks = generator.integers(0, 21, images * 10_000).astype(np.uint8)
        clusters = (masks.astype(np.int32) * 23 + generator.integers(0, 40, masks.size)) % 500
        case = ("matching", masks.size, "pixels", 14_490_000)
        part, size, unit, paper = case

        def ours(clusters: np.ndarray = clusters, masks: np.ndarray = masks) -> np.ndarray:
            return match_by_precision(contingency(clusters, masks, 500, 21))

        yield Case(part, "ours (one table)", size, unit, paper, ours, 3)
        library = lambda c=clusters, m=masks: contingency_matrix(c, m).argmax(axis=1)  # noqa: E731
        yield Case(part, "scikit-learn table", size, unit, paper, library)
        if images == 14:
            pairs = lambda c=clusters, m=masks: per_pair(c, m)  # noqa: E731
            yield Case(part, "pass per (cluster, class)", size, unit, paper, pairs)


def metric_cases() -> Iterator[Case]:
    """mIoU over images of 500 x 375 pixels, streamed or piled up."""
    from sklearn.metrics import jaccard_score

    names = [str(k) for k in range(21)]
    generator = np.random.default_rng(0)
    target = generator.integers(0, 21, (375, 500)).astype(np.uint8)
    predicted = np.roll(target, 3, axis=1)

    def streamed(images: int) -> float:
        score = Tally(names, replicas=1000)
        for _ in range(images):
            score.update(predicted, target)
        return score.result("", 0).mIoU

    def piled(images: int) -> float:
        truths = np.concatenate([target.ravel().astype(np.int64) for _ in range(images)])
        guesses = np.concatenate([predicted.ravel().astype(np.int64) for _ in range(images)])
        return 100 * jaccard_score(truths, guesses, average="macro")

    for images in (4, 16, 64):
        ours = lambda n=images: streamed(n)  # noqa: E731
        yield Case("metric", "ours (streamed, bootstrap)", images, "images", 1449, ours)
        pile = lambda n=images: piled(n)  # noqa: E731
        yield Case("metric", "pile of pixels, scikit-learn", images, "images", 1449, pile)


def search_cases() -> Iterator[Case]:
    """Index and search 12,800 queries in banks of 384 dimensions."""
    queries = unit_length(tokens_like_a_vit(12_800, seed=1))
    for count in (6400, 25_600, 102_400):
        bank = bank_of(tokens_like_a_vit(count))

        def run(build: Callable[[Bank], Any], bank: Bank = bank) -> Any:
            search = build(bank)
            return search.search(queries, NEIGHBOURS)[1], getattr(search, "unproved", None)

        builders: dict[str, Callable[[Bank], Any]] = {
            "ours (exact)": ExactSearch,
            "ours (exact, 8-bit)": lambda b: ExactSearch(b, storage="int8"),
            "faiss flat": faiss_flat,
            "faiss IVF 512/32": lambda b: faiss_ivf(b, Ivf()),
            "ScaNN (paper's settings)": lambda b: ScannSearch(b, NEIGHBOURS, Scann()),
        }
        for name, build in builders.items():
            call = lambda build=build, run=run: run(build)  # noqa: E731
            yield Case("search", name, count, "keys", 10_240_000, call)


def clustering_cases() -> Iterator[Case]:
    """Standardise and reduce to 50 dimensions; one k-means of K = 100."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    for count in (4096, 16_384, 65_536):
        tokens = tokens_like_a_vit(count)
        ours = lambda t=tokens: reduced_tokens(t, 50)  # noqa: E731
        paper = 1449 * 1024
        yield Case("reduction", "ours (streamed)", count, "patches", paper, ours)

        def library(tokens: np.ndarray = tokens) -> np.ndarray:
            scaled = StandardScaler().fit_transform(tokens.astype(np.float32))
            return PCA(50, svd_solver="full").fit_transform(scaled)

        yield Case("reduction", "scikit-learn", count, "patches", paper, library)
        points = reduced_tokens(tokens, 50)

        def ours_kmeans(points: np.ndarray = points) -> np.ndarray:
            return kmeans(points, 100, iterations=20, redos=1, seed=0)

        def plain_kmeans(points: np.ndarray = points) -> np.ndarray:
            means = faiss.Kmeans(
                points.shape[1], 100, niter=20, nredo=1, seed=0, min_points_per_centroid=1,
                max_points_per_centroid=256,
            )  # fmt: skip
            means.train(points)
            return means.index.search(points, 1)[1]

        def library_kmeans(points: np.ndarray = points) -> np.ndarray:
            return KMeans(100, init="random", n_init=1, max_iter=20, tol=0).fit_predict(points)

        yield Case("k-means", "ours (faiss, 256 a cluster)", count, "patches", paper, ours_kmeans)
        yield Case("k-means", "faiss as it comes", count, "patches", paper, plain_kmeans)
        yield Case("k-means", "scikit-learn", count, "patches", paper, library_kmeans)


def linear_cases() -> Iterator[Case]:
    """One gradient of a 21-class head on tokens of 32 x 32 x 384, loss at 100 x 100."""
    head = torch.nn.Conv2d(384, 21, 1)

    def gradient(tokens: torch.Tensor, masks: torch.Tensor, *, tokens_first: bool) -> None:
        inputs = resize_bilinear(tokens, 100, 100) if tokens_first else tokens
        logits = head(inputs) if tokens_first else resize_bilinear(head(inputs), 100, 100)
        torch.nn.functional.cross_entropy(logits, masks).backward()

    for images in (2, 8, 32):
        tokens = torch.randn(images, 384, 32, 32)
        masks = torch.randint(0, 21, (images, 100, 100))
        for name, first in (("ours (head, then resize)", False), ("resize tokens first", True)):
            call = lambda t=tokens, m=masks, f=first: gradient(t, m, tokens_first=f)  # noqa: E731
            yield Case("linear", name, images, "images", 64, call, 2)


PARTS: dict[str, Callable[[], Iterator[Case]]] = {
    "histograms": histogram_cases,
    "transfer": transfer_cases,
    "matching": matching_cases,
    "metric": metric_cases,
    "search": search_cases,
    "clustering": clustering_cases,
    "linear": linear_cases,
}
