import numpy as np
import pytest
from scipy.sparse import csr_matrix

from neco.evaluate.search.bank import build_bank, inverse_norms, unit_length


def images(count=3, patches=8, dim=5):
    generator = np.random.default_rng(0)
    for _ in range(count):
        tokens = generator.standard_normal((patches, dim)).astype(np.float16)
        yield tokens, np.sort(generator.permutation(patches)[:4])


def parts(soft):
    for number, (tokens, chosen) in enumerate(images()):
        yield tokens[chosen], soft[4 * number : 4 * number + 4]


@pytest.mark.parametrize("mapped", [False, True])
def test_bank_holds_the_chosen_patches_in_order(tmp_path, mapped):
    soft = csr_matrix(np.eye(12, dtype=np.float32))
    folder = tmp_path if mapped else None
    bank = build_bank(parts(soft), 12, 5, np.float16, folder)
    assert (bank.soft != soft).nnz == 0
    assert bank.soft.dtype == np.float32
    expected = np.concatenate([tokens[chosen] for tokens, chosen in images()])
    assert np.array_equal(bank.tokens, expected)
    assert isinstance(bank.tokens, np.memmap) == mapped
    keys = expected.astype(np.float64)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    np.testing.assert_allclose(bank.keys(), keys, atol=1e-6)
    np.testing.assert_allclose(bank.keys(3, 7), keys[3:7], atol=1e-6)
    assert list(tmp_path.iterdir()) == []  # a mapped bank leaves no file behind


def test_labels_without_patches_are_a_bug():
    soft = csr_matrix((12, 2), dtype=np.float32)
    with pytest.raises(ValueError, match="12 patches came instead of 13"):
        build_bank(parts(soft), 13, 5)
    with pytest.raises(ValueError, match="12 patches, 4 labels came for 11"):
        build_bank(parts(soft), 11, 5)


def test_a_zero_token_stays_zero():
    tokens = np.zeros((2, 3), np.float16)
    tokens[1] = [3, 0, 4]
    assert inverse_norms(tokens).tolist() == [0.0, pytest.approx(0.2)]
    np.testing.assert_allclose(unit_length(tokens), [[0, 0, 0], [0.6, 0, 0.8]])
