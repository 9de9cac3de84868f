import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neco.errors import UserError
from neco.sorting.networks import sorting_network, sorts_sampled_rows


def sort_hard(name, rows):
    """Apply the network to rows (N, R) with hard comparisons."""
    wires = rows.T.copy()
    for layer in sorting_network(name, rows.shape[1]).layers:
        low, high = wires[layer.low], wires[layer.high]
        wires[layer.low], wires[layer.high] = np.minimum(low, high), np.maximum(low, high)
    return wires.T


@pytest.mark.parametrize("name", ["bitonic", "odd_even"])
@pytest.mark.parametrize("width", range(1, 13))
def test_every_zero_one_row_is_sorted(name, width):
    rows = (np.arange(2**width)[:, None] >> np.arange(width)) & 1
    np.testing.assert_array_equal(sort_hard(name, rows), np.sort(rows, axis=1))


@given(
    st.sampled_from([("bitonic", 49), ("bitonic", 64), ("bitonic", 256), ("odd_even", 49)]),
    st.integers(0, 2**32 - 1),
)
def test_wide_networks_sort(network, seed):
    name, width = network
    rows = np.random.default_rng(seed).integers(0, 5, (50, width))
    np.testing.assert_array_equal(sort_hard(name, rows), np.sort(rows, axis=1))


@pytest.mark.parametrize("name", ["bitonic", "odd_even"])
@pytest.mark.parametrize("width", [2, 7, 49, 100])
def test_a_layer_touches_a_wire_at_most_once(name, width):
    for layer in sorting_network(name, width).layers:
        wires = np.concatenate([layer.low, layer.high])
        assert len(set(wires)) == len(wires)
        assert set(wires) <= set(range(width))


def test_bitonic_stages_stay_inside_their_groups():
    network = sorting_network("bitonic", 49)
    assert network.discarded == 15
    for stage in network.stages:
        for layer in stage.layers:
            low, high = layer.low + 15, layer.high + 15
            np.testing.assert_array_equal(low // stage.reach, high // stage.reach)


def test_a_width_that_the_discarded_wires_break_is_reported(caplog):
    sorting_network.cache_clear()
    with caplog.at_level(logging.WARNING):
        network = sorting_network("bitonic", 54)
        sorting_network("bitonic", 49)
    assert not sorts_sampled_rows(network)
    assert [record.args[0] for record in caplog.records] == [54]


@pytest.mark.parametrize("arguments", [("bitonic", 0), ("odd_even", 1025), ("bubble", 4)])
def test_unknown_networks_are_refused(arguments):
    with pytest.raises(UserError, match="sorting network"):
        sorting_network(*arguments)
