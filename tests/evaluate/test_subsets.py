import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neco.evaluate.subsets import balanced_subset, images_to_show, subset_size


def voc_like(images=10_582, classes=21, seed=0):
    """Background everywhere, 20 classes of very different frequency, 1 to 3 an image."""
    generator = np.random.default_rng(seed)
    frequency = np.geomspace(1.0, 0.05, classes - 1)
    present = np.zeros((images, classes), dtype=bool)
    present[:, 0] = True
    main = generator.choice(classes - 1, images, p=frequency / frequency.sum())
    present[np.arange(images), 1 + main] = True
    present[:, 1:] |= generator.random((images, classes - 1)) < 0.02 * frequency
    return present


def test_one_128th_of_voc_is_83_images_with_each_class_in_at_least_four():
    present = voc_like()
    assert subset_size(len(present), 128) == 83
    for seed in range(5):
        subset = balanced_subset(present, 83, seed)
        counts = present[subset].sum(axis=0)
        assert len(np.unique(subset)) == 83
        assert counts[1:].min() >= 4
        assert counts[1:].max() <= 10


def test_seeds_differ_and_repeat():
    present = voc_like(600)
    first, second, again = (balanced_subset(present, 60, seed) for seed in (0, 1, 0))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


@given(st.integers(1, 40), st.integers(0, 100))
def test_a_subset_has_its_size_even_where_images_show_nothing(size, seed):
    present = np.random.default_rng(seed).random((30, 5)) < 0.1
    subset = balanced_subset(present, size, seed)
    assert len(np.unique(subset)) == min(size, 30)
    assert np.array_equal(subset, np.sort(subset))


def test_shown_images_are_drawn_by_a_rule(coloured):
    train = coloured[0]
    assert images_to_show(train, 4) == images_to_show(train, 4)
    assert images_to_show(train, 4, seed=1) != images_to_show(train, 4, seed=2)
    assert len(set(images_to_show(train, 5))) == 5
    assert images_to_show(train, 99) == list(range(len(train)))
    assert len(images_to_show(train, 3, classes=9)) == 3  # none shows nine classes: all serve


def test_shown_images_have_their_classes_where_enough_do(coloured):
    train = coloured[0]
    classes = [len(set(np.unique(item.read_mask())) - {255}) for item in train.items]
    rich = [index for index, count in enumerate(classes) if count >= 3]
    assert 0 < len(rich) < len(train)
    assert images_to_show(train, len(rich), classes=3) == rich
