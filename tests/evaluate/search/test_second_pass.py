import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from neco.evaluate.search import exact, second_pass, selection
from neco.evaluate.search.bank import Bank, inverse_norms, unit_length
from neco.evaluate.search.eight_bit import EightBitKeys
from neco.evaluate.search.exact import ExactSearch
from neco.evaluate.search.half_pass import HalfPass
from neco.evaluate.search.second_pass import _ragged_largest, _reaching, search_again
from neco.evaluate.search.selection import CHUNK, Keys

CPU = torch.device("cpu")


def dense_bank(count=6000, dim=24):
    """Neighbours so close together that a few candidates prove nothing, yet not all of them."""
    generator = np.random.default_rng(0)
    tokens = (generator.standard_normal((count, dim)) + 1.5).astype(np.float16)
    bank = Bank(tokens, inverse_norms(tokens), csr_matrix((count, 1), dtype=np.float32))
    return bank, unit_length(generator.standard_normal((40, dim)).astype(np.float32) + 1.5)


@pytest.mark.parametrize("kind", [Keys, EightBitKeys])
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=str)
def test_every_key_that_may_be_among_the_nearest_is_found(kind, half, monkeypatch):
    monkeypatch.setattr(selection, "KEY_BLOCK", 2100)
    monkeypatch.setitem(selection.PAIRS, "cpu", 50)
    bank, queries = dense_bank()
    asked = torch.from_numpy(queries)
    first = HalfPass(kind(bank, CPU), half)
    first.query_block = 16
    first.candidates(asked, 12)
    every = np.sort(queries @ bank.keys().T, axis=1)[:, ::-1]
    reached = torch.from_numpy(every[:, 25].copy())  # what a poor first pass would have found
    found, crowded = search_again(first, asked, reached, 10)
    assert not crowded.any()
    cosines = found.scores.sort(dim=1, descending=True).values
    np.testing.assert_allclose(cosines, every[:, :10], atol=2e-6)
    own = np.take_along_axis(queries @ bank.keys().T, found.indices.numpy(), axis=1)
    np.testing.assert_allclose(found.scores, own, atol=2e-6)


def test_only_a_crowd_is_searched_in_float32(monkeypatch):
    monkeypatch.setattr(exact, "fast_half", lambda kind: torch.bfloat16)
    monkeypatch.setattr(exact, "SMALL", 512)
    monkeypatch.setattr(EightBitKeys, "candidates_per_neighbour", 1)
    bank, queries = dense_bank()
    expected = np.sort(queries @ bank.keys().T, axis=1)[:, ::-1][:, :10]
    found = []
    for crowd in ((64, 3), (0, 10_000)):
        monkeypatch.setattr(second_pass, "CROWD", crowd)
        search = ExactSearch(bank, storage="int8")
        np.testing.assert_allclose(search.search(queries, 10)[0], expected, atol=2e-6)
        found.append((search.unproved, search.flat))
    assert found[0][0] > 0 and found[0][1] == 0
    assert found[1][0] == found[1][1] > 0


def test_too_many_equal_keys_are_a_crowd(monkeypatch):
    monkeypatch.setattr(second_pass, "KEPT", 20)
    bank, queries = dense_bank(500)
    first = HalfPass(Keys(bank, CPU), torch.bfloat16)
    asked = torch.from_numpy(queries)
    first.candidates(asked, 12)
    lowest = torch.from_numpy(np.sort(queries @ bank.keys().T, axis=1)[:, -30].copy())
    lowest[3:] = 0.999  # fewer than k keys reach it: nothing to rely on either
    _, crowded = search_again(first, asked, lowest, 10)
    assert crowded.all()


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_reaching_scores_are_all_found(rows, chunks, seed):
    scores = torch.rand(rows, chunks * CHUNK, generator=torch.Generator().manual_seed(seed))
    lowest = torch.linspace(0.5, 1.1, rows)
    found = _reaching(scores, lowest, torch.zeros(rows, dtype=torch.bool))
    expected = (scores >= lowest[:, None]).nonzero().tolist()
    assert sorted(zip(*(part.tolist() for part in found), strict=True)) == [
        tuple(pair) for pair in expected
    ]


def test_ragged_rows_give_their_largest():
    rows = torch.tensor([2, 0, 2, 2, 0, 1])
    cosines = torch.tensor([0.1, 0.9, 0.3, 0.2, 0.8, 0.5])
    found = _ragged_largest(rows, torch.arange(6), cosines, 3, 2)
    assert sorted(found.scores[0].tolist()) == pytest.approx([0.8, 0.9])
    assert sorted(found.indices[2].tolist()) == [2, 3]
