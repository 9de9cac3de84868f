import sys

import faiss
import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from neco.config.in_context import InContext, Ivf, Scann
from neco.errors import UserError
from neco.evaluate.search.backends import build_search, recall
from neco.evaluate.search.bank import Bank, inverse_norms, unit_length
from neco.evaluate.search.exact import ExactSearch
from neco.evaluate.search.libraries import FaissSearch, ScannSearch


def bank_and_queries(count=1500, dim=24):
    generator = np.random.default_rng(0)
    tokens = (generator.standard_normal((count, dim)) + 0.5).astype(np.float16)
    bank = Bank(tokens, inverse_norms(tokens), csr_matrix((count, 1), dtype=np.float32))
    return bank, unit_length(generator.standard_normal((60, dim)).astype(np.float32) + 0.5)


def found_by(name, k=10, **settings):
    bank, queries = bank_and_queries()
    search = build_search(
        bank, InContext(search=name, neighbours=k, **settings), torch.device("cpu")
    )
    return search, *search.search(queries, k), *ExactSearch(bank).search(queries, k)


def test_flat_faiss_agrees_with_the_default():
    search, cosines, indices, expected, true = found_by("faiss-flat")
    assert search.exact
    np.testing.assert_allclose(cosines, expected, atol=1e-6)
    assert recall(indices, true) == 1.0


def test_inverted_lists_are_approximate_and_say_so():
    search, cosines, indices, expected, true = found_by(
        "faiss-ivf", ivf=Ivf(lists=16, lists_to_search=4)
    )
    assert not search.exact
    assert "16 lists, 4 searched" in search.name
    assert 0.3 < recall(indices, true) < 1.0
    assert (cosines <= expected + 1e-6).all()


def test_searching_every_list_is_exact():
    _, _, indices, _, true = found_by("faiss-ivf", ivf=Ivf(lists=16, lists_to_search=16))
    assert recall(indices, true) == 1.0


def test_too_few_finds_are_filled_with_the_last():
    class Sparse:
        def add(self, keys):
            pass

        def search(self, queries, k):
            return (
                np.array([[0.9, 0.5, -1.0, -1.0]], np.float32),
                np.array([[7, 3, -1, -1]]),
            )

    bank, queries = bank_and_queries()
    cosines, indices = FaissSearch(Sparse(), bank, "", exact=False).search(queries[:1], 4)
    assert indices.tolist() == [[7, 3, 3, 3]]
    np.testing.assert_allclose(cosines, [[0.9, 0.5, 0.5, 0.5]])


@pytest.mark.parametrize(
    ("found", "expected"), [([[1, 2, 3]], 1.0), ([[3, 1, 9]], 2 / 3), ([[7, 8, 9]], 0.0)]
)
def test_recall_counts_true_neighbours_in_any_order(found, expected):
    assert recall(np.array(found), np.array([[1, 2, 3]])) == pytest.approx(expected)


def test_scann_with_the_papers_settings_finds_most_neighbours():
    pytest.importorskip("scann")
    search, cosines, indices, expected, true = found_by("scann")
    assert not search.exact
    assert "32 searched" in search.name
    assert 0.7 < recall(indices, true) < 1.0  # 0.85: small banks are its weak side
    assert (np.diff(cosines, axis=1) <= 1e-6).all()  # nearest first
    assert (cosines <= expected + 1e-5).all()


def test_scann_misses_neighbours_when_it_looks_into_few_leaves():
    pytest.importorskip("scann")
    _, _, indices, _, true = found_by("scann", scann=Scann(leaves_to_search=1))
    assert 0.05 < recall(indices, true) < 0.9


def test_scann_missing_is_said_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "scann", None)
    bank, _ = bank_and_queries()
    with pytest.raises(UserError, match="pip install scann"):
        ScannSearch(bank, 10, Scann())


def test_faiss_gpu_missing_is_said_in_one_line(monkeypatch):
    monkeypatch.delattr(faiss, "StandardGpuResources", raising=False)
    bank, _ = bank_and_queries()
    with pytest.raises(UserError, match="needs the faiss-gpu package"):
        build_search(bank, InContext(search="faiss-gpu"), torch.device("cpu"))
