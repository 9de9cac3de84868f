import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from neco.evaluate.search import exact, selection
from neco.evaluate.search.bank import Bank, inverse_norms, unit_length
from neco.evaluate.search.eight_bit import EightBitKeys
from neco.evaluate.search.exact import ExactSearch
from neco.evaluate.search.half_pass import HalfPass

CPU = torch.device("cpu")


@pytest.fixture(params=[torch.float32, torch.bfloat16, torch.float16], ids=str)
def half(request, monkeypatch):
    """Every arithmetic of the first pass, in small blocks, whatever this machine would choose."""
    chosen = None if request.param == torch.float32 else request.param
    monkeypatch.setattr(exact, "fast_half", lambda kind: chosen)
    monkeypatch.setattr(exact, "SMALL", 256)
    monkeypatch.setattr(selection, "KEY_BLOCK", 900)
    return request.param


def bank_of(tokens):
    return Bank(tokens, inverse_norms(tokens), csr_matrix((len(tokens), 1), dtype=np.float32))


def spread_out(count, dim, seed):
    generator = np.random.default_rng([seed, count])
    centres = np.random.default_rng(seed).standard_normal((10, dim)) + 1
    return centres[generator.integers(0, 10, count)] + 0.5 * generator.standard_normal((count, dim))


def near_ties(count, dim, seed):
    """All keys within one 8-bit step of a few directions: their codes hardly tell them apart."""
    generator = np.random.default_rng([seed, count])
    centres = np.random.default_rng(seed).standard_normal((3, dim))
    return centres[generator.integers(0, 3, count)] + 2e-3 * generator.standard_normal((count, dim))


def outliers(count, dim, seed):
    """One large entry makes a key's scale, so that its other entries are coarse."""
    tokens = spread_out(count, dim, seed)
    large = np.random.default_rng(seed + 1).integers(0, dim, count)
    tokens[np.arange(count), large] *= 30
    return tokens


def misled(count, dim, seed):
    """The true neighbours' codes all round away from the query, the others' towards it."""
    query = unit_length(np.random.default_rng(seed).standard_normal((1, dim)))[0]
    step = np.abs(query).max() / 127
    lean = np.where(np.arange(count) % 10 == 0, 0.49, 0.51)[:, None] * step * np.sign(query)
    noise = 1e-5 * np.random.default_rng(seed + 1).standard_normal((count, dim))
    return np.round(query / step) * step + lean + noise


@pytest.mark.parametrize("make", [spread_out, near_ties, outliers, misled])
def test_neighbours_are_those_of_every_float32_cosine(half, make):
    bank = bank_of(make(2400, 48, 0).astype(np.float16))
    queries = unit_length(make(150, 48, 0).astype(np.float32))
    search = ExactSearch(bank, storage="int8")
    cosines, indices = search.search(queries, 9)
    every = queries @ bank.keys().T
    expected = -np.sort(-every, axis=1)[:, :9]
    np.testing.assert_allclose(cosines, expected, atol=2e-6)
    own = np.take_along_axis(every, indices, axis=1)
    np.testing.assert_allclose(cosines, own, atol=2e-6)
    assert all(len(set(row)) == 9 for row in indices.tolist())
    if make in (near_ties, misled):
        assert search.unproved > 0  # ties that only float32 can tell apart
    if make is spread_out:
        assert search.unproved < 15
    assert search.first.half == half
    assert search.name.startswith("exact cpu (int8 as ")


@settings(max_examples=25)
@given(st.integers(2, 200), st.integers(1, 40), st.floats(1e-3, 50), st.integers(0, 99))
def test_what_a_key_lost_is_within_its_bound(count, dim, size, seed):
    tokens = size * np.random.default_rng(seed).standard_normal((count, dim))
    bank = bank_of(tokens.astype(np.float16))
    keys = EightBitKeys(bank, CPU)
    decoded, lost = keys.centred(0, count)
    true = bank.keys().astype(np.float64) - keys.mean.double().numpy()
    assert (np.linalg.norm(true - decoded.double().numpy(), axis=1) <= lost.numpy() + 1e-6).all()
    assert keys.codes.dtype == torch.int8


def test_the_bound_holds_for_every_key_left_out(half):
    bank = bank_of(outliers(2400, 48, 1).astype(np.float16))
    queries = unit_length(outliers(100, 48, 1).astype(np.float32))
    found, limit = HalfPass(EightBitKeys(bank, CPU), half).candidates(torch.from_numpy(queries), 80)
    cosines = queries @ bank.keys().T
    np.put_along_axis(cosines, found.indices.numpy(), -1.0, axis=1)
    assert (cosines.max(axis=1) <= limit.numpy()).all()


def test_without_the_bound_neighbours_would_be_lost(half):
    """The test above can fail: the codes' own order is not the keys'."""
    bank = bank_of(misled(2400, 48, 0).astype(np.float16))
    queries = unit_length(misled(20, 48, 0).astype(np.float32))
    keys = EightBitKeys(bank, CPU)
    decoded = keys.centred(0, len(bank))[0].numpy()
    by_codes = np.argsort(-(queries @ decoded.T), axis=1)[:, :9]
    _, found = ExactSearch(bank, storage="int8").search(queries, 9)
    shared = [len(set(a) & set(b)) / 9 for a, b in zip(by_codes, found, strict=True)]
    assert np.mean(shared) < 0.8


def test_a_small_bank_and_keys_of_zeros():
    tokens = spread_out(300, 16, 0).astype(np.float16)
    assert ExactSearch(bank_of(tokens), storage="int8").first is None
    same = np.ones((9000, 8), np.float16)
    same[::2] = 0
    cosines, indices = ExactSearch(bank_of(same), storage="int8").search(
        unit_length(np.ones((2, 8), np.float32)), 5
    )
    np.testing.assert_allclose(cosines, 1.0, atol=1e-6)
    assert (indices % 2 == 1).all()
