import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import confusion_matrix, jaccard_score

from neco.errors import UserError
from neco.evaluate.metrics import Bootstrap, Tally, class_iou, confusion, margins, mean_iou


def labels(seed, shape=(30, 40), classes=5, ignored=True):
    generator = np.random.default_rng(seed)
    target = generator.integers(0, classes, shape).astype(np.uint8)
    predicted = np.where(generator.random(shape) < 0.6, target, generator.integers(0, classes))
    if ignored:
        target[generator.random(shape) < 0.1] = 255
    return predicted, target


def test_confusion_is_that_of_scikit_learn():
    predicted, target = labels(0)
    kept = target != 255
    expected = confusion_matrix(target[kept], predicted[kept], labels=range(5))
    found = confusion(predicted, target, 5)
    assert np.array_equal(found[:, :5], expected)
    assert not found[:, 5].any()


def test_predicting_no_class_is_an_error_of_the_true_class_alone():
    target = np.array([[0, 0], [1, 255]])
    predicted = np.array([[0, 255], [1, 255]])
    table = confusion(predicted, target, 2)
    assert table.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert class_iou(margins(table)).tolist() == [0.5, 1.0]


def test_iou_is_that_of_scikit_learn_over_the_whole_split():
    score = Tally(list("abcde"))
    pairs = [labels(seed) for seed in range(4)]
    for predicted, target in pairs:
        score.update(predicted, target)
    predicted, target = (
        np.concatenate([part.ravel() for part in parts]) for parts in zip(*pairs, strict=True)
    )
    kept = target != 255
    expected = jaccard_score(target[kept], predicted[kept], average=None) * 100
    result = score.result("", 0)
    np.testing.assert_allclose(list(result.per_class_iou.values()), expected, atol=1e-4)
    assert result.mIoU == pytest.approx(expected.mean(), abs=1e-4)


@settings(max_examples=40)
@given(
    arrays.arrays(np.uint8, (7, 9), elements=st.integers(0, 3)),
    arrays.arrays(np.uint8, (7, 9), elements=st.sampled_from([0, 1, 2, 3, 255])),
)
def test_counts_equal_a_loop_over_pixels(predicted, target):
    table = np.zeros((4, 5), dtype=int)
    for guess, truth in zip(predicted.ravel(), target.ravel(), strict=True):
        if truth != 255:
            table[truth, guess] += 1
    assert np.array_equal(confusion(predicted, target, 4), table)
    for k in range(4):
        union = sum(
            (guess == k) or (truth == k)
            for guess, truth in zip(predicted.ravel(), target.ravel(), strict=True)
            if truth != 255
        )
        iou = class_iou(margins(table))[k]
        assert np.isnan(iou) if not table[k].sum() else iou == pytest.approx(table[k, k] / union)


def test_an_absent_class_counts_as_zero_or_not_at_all():
    target = np.array([[0, 0], [1, 1]])
    ious = class_iou(margins(confusion(target, target, 4)))
    assert mean_iou(ious, "zero") == 0.5
    assert mean_iou(ious, "skip") == 1.0


def test_swapped_classes_are_not_forgiven():
    target = np.array([[0, 0], [1, 1]])
    assert mean_iou(class_iou(margins(confusion(1 - target, target, 2))), "zero") == 0.0


def test_an_impossible_id_is_refused():
    with pytest.raises(UserError, match="mask holds class 7"):
        confusion(np.zeros((2, 2), int), np.full((2, 2), 7), 4)


def test_streamed_bootstrap_agrees_with_resampling_images():
    generator = np.random.default_rng(3)
    tables = []
    for seed in range(60):
        predicted, target = labels(seed)
        wrong = generator.random(target.shape) < generator.random() * 0.8
        predicted = np.where(wrong, 0, predicted)
        tables.append(margins(confusion(predicted, target, 5)))
    streamed = Bootstrap(5, 3000)
    for margin in tables:
        streamed.update(margin)
    draws = generator.integers(0, 60, (3000, 60))
    resampled = mean_iou(class_iou(np.stack(tables)[draws].sum(axis=1)), "zero")
    expected = np.quantile(resampled, [0.025, 0.975])
    width = expected[1] - expected[0]
    np.testing.assert_allclose(streamed.interval("zero"), expected, atol=0.08 * width)


def test_memory_does_not_grow_with_images():
    score = Tally(list("abcde"), replicas=50)

    def held():
        return score.table.nbytes + score.bootstrap.sums.nbytes

    before = held()
    for seed in range(20):
        score.update(*labels(seed))
    assert held() == before
    assert {type(value) for value in vars(score).values()} == {
        list,
        str,
        int,
        np.ndarray,
        Bootstrap,
    }
