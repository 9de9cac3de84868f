import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from neco.errors import MachineError
from neco.evaluate.search import exact, selection
from neco.evaluate.search.bank import Bank, inverse_norms, unit_length
from neco.evaluate.search.exact import ExactSearch
from neco.evaluate.search.half_pass import HalfPass
from neco.evaluate.search.selection import CHUNK, Keys, top_scores


def bank_of(tokens):
    return Bank(tokens, inverse_norms(tokens), csr_matrix((len(tokens), 1), dtype=np.float32))


def clustered(count, dim, seed, spread=0.4, common=2.0):
    """Tokens like a ViT's: a strong common direction, clusters, near-duplicates."""
    generator = np.random.default_rng([seed, count])
    centres = np.random.default_rng(seed).standard_normal((20, dim)) + common
    tokens = centres[generator.integers(0, 20, count)]
    tokens = tokens + spread * generator.standard_normal((count, dim))
    tokens[1::7] = tokens[::7][: len(tokens[1::7])] * 1.001
    return (3 * tokens).astype(np.float16)


def flat_search(bank, queries, k):
    """The obvious way: every float32 cosine, in one matrix."""
    faiss = pytest.importorskip("faiss")
    index = faiss.IndexFlatIP(bank.dim)
    index.add(bank.keys())
    return index.search(queries, k)


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 70), st.integers(0, 99))
def test_chunked_selection_is_topk(rows, chunks, k, seed):
    scores = torch.rand(rows, chunks * CHUNK, generator=torch.Generator().manual_seed(seed))
    k = min(k, scores.shape[1])
    found = top_scores(scores, k)
    expected = scores.topk(k, dim=1).values
    assert torch.equal(found.scores.sort(dim=1, descending=True).values, expected)
    assert torch.equal(scores.gather(1, found.indices), found.scores)


@pytest.fixture(params=["float32", "bfloat16", "float16"])
def half(request, monkeypatch):
    """Every kind of first pass, whatever this machine would choose."""
    chosen = None if request.param == "float32" else getattr(torch, request.param)
    monkeypatch.setattr(exact, "fast_half", lambda kind: chosen)
    monkeypatch.setattr(exact, "SMALL", 512)
    monkeypatch.setattr(exact, "PASS_QUERIES", 170)
    monkeypatch.setattr(selection, "KEY_BLOCK", 1100)
    return chosen


@pytest.mark.parametrize("spread", [0.02, 0.4, 3.0])
def test_neighbours_are_those_of_a_flat_float32_search(half, spread):
    bank = bank_of(clustered(3001, 48, 0, spread))
    queries = unit_length(clustered(300, 48, 0, spread))
    search = ExactSearch(bank)
    cosines, indices = search.search(queries, 10)
    expected, _ = flat_search(bank, queries, 10)
    np.testing.assert_allclose(cosines, expected, atol=2e-6)
    own = np.einsum("qd,qkd->qk", queries, bank.keys()[indices])
    np.testing.assert_allclose(cosines, own, atol=2e-6)
    assert all(len(set(row)) == 10 for row in indices.tolist())


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_the_bound_holds_for_every_key_left_out(half, monkeypatch):
    monkeypatch.setattr(selection, "KEY_BLOCK", 1100)
    bank = bank_of(clustered(3001, 48, 1))
    queries = unit_length(clustered(200, 48, 1))
    first = HalfPass(Keys(bank, torch.device("cpu")), half)
    found, limit = first.candidates(torch.from_numpy(queries), 36)
    cosines = queries @ bank.keys().T
    np.put_along_axis(cosines, found.indices.numpy(), -1.0, axis=1)
    left_out = cosines.max(axis=1)
    assert (left_out <= limit.numpy()).all()
    assert (limit.numpy() - left_out).mean() < 0.02  # and is worth having


def test_without_faiss_the_neighbours_are_the_same(monkeypatch):
    bank, queries = bank_of(clustered(400, 48, 3)), unit_length(clustered(90, 48, 4))
    expected = ExactSearch(bank).search(queries, 12)
    monkeypatch.setattr(exact, "imported_faiss", lambda: None)
    found = ExactSearch(bank).search(queries, 12)
    np.testing.assert_allclose(found[0], expected[0], atol=2e-6)
    own = np.einsum("qd,qkd->qk", queries, bank.keys()[found[1]])
    np.testing.assert_allclose(found[0], own, atol=2e-6)


def test_threads_change_nothing():
    bank = bank_of(clustered(9000, 48, 2))
    queries = unit_length(clustered(700, 48, 2))
    threads = torch.get_num_threads()
    answers = []
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            answers.append(ExactSearch(bank).search(queries, 12))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(answers[0][0], answers[1][0], atol=1e-6)


def test_queries_without_proof_are_searched_again(monkeypatch):
    monkeypatch.setattr(exact, "fast_half", lambda kind: torch.bfloat16)
    monkeypatch.setattr(exact, "SMALL", 512)
    tokens = np.tile(clustered(4, 32, 0), (500, 1)).astype(np.float32)
    tokens += 1e-4 * np.random.default_rng(0).standard_normal(tokens.shape)  # all within rounding
    bank = bank_of(tokens.astype(np.float32))
    queries = unit_length(clustered(20, 32, 0))
    search = ExactSearch(bank)
    cosines, _ = search.search(queries, 10)
    assert search.unproved == 20
    assert np.array_equal(bank.tokens, tokens.astype(np.float32))  # nothing is changed in place
    np.testing.assert_allclose(cosines, flat_search(bank, queries, 10)[0], atol=2e-6)


def test_a_token_of_zeros_is_nobodys_neighbour():
    tokens = clustered(50, 16, 0)
    tokens[7] = 0
    cosines, indices = ExactSearch(bank_of(tokens)).search(unit_length(clustered(9, 16, 3)), 50)
    assert np.isfinite(cosines).all()
    assert (cosines[indices == 7] == 0).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("storage", ["float16", "int8"])
@pytest.mark.parametrize("spread", [0.02, 0.4, 3.0])
def test_a_gpu_finds_the_same_neighbours(storage, spread):
    bank = bank_of(clustered(20_000, 64, 0, spread))
    queries = unit_length(clustered(500, 64, 0, spread))
    cosines, _ = ExactSearch(bank, "cuda", storage).search(queries, 10)
    # Without faiss, which a machine with a card may lack: the test would be skipped there.
    expected = np.sort(queries @ bank.keys().T, axis=1)[:, :-11:-1]
    np.testing.assert_allclose(cosines, expected, atol=2e-6)


@pytest.mark.parametrize(("storage", "needed"), [("float16", "0.8 MB"), ("int8", "0.4 MB")])
def test_a_bank_that_does_not_fit_says_what_to_set(monkeypatch, storage, needed):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7.32 GiB")

    for kind in (exact.Keys, exact.EightBitKeys):
        monkeypatch.setattr(kind, "__init__", full)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (3_000_000, 80_000_000))
    bank = bank_of(clustered(exact.SMALL, 48, 0))
    with pytest.raises(MachineError, match=f"8,192 patches takes {needed}.* and 3.0 MB are free"):
        ExactSearch(bank, "cuda", storage)
