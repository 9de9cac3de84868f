import numpy as np
import pytest

from neco.sorting.compiled.schedule import kernel_schedule
from neco.sorting.networks import sorting_network


def matters(name, width, columns, first, count):
    """Comparators, by order of execution, on a path from the inputs to the columns: the slow way,
    by pushing and pulling ones through the network."""
    layers = sorting_network(name, width).layers
    reached = np.zeros(width, bool)
    reached[first : first + count] = True
    forward = []
    for layer in layers:
        forward.append(reached[layer.low] | reached[layer.high])
        for wires in (layer.low, layer.high):
            reached[wires[forward[-1]]] = True
    wanted = np.arange(width) < columns
    backward = []
    for layer in reversed(layers):
        backward.append(wanted[layer.low] | wanted[layer.high])
        for wires in (layer.low, layer.high):
            wanted[wires[backward[-1]]] = True
    both = [f & b for f, b in zip(forward, backward[::-1], strict=True)]
    return np.flatnonzero(np.concatenate([*both, np.zeros(0, bool)]))


@pytest.mark.parametrize("name", ["bitonic", "odd_even"])
@pytest.mark.parametrize("width", [1, 2, 3, 8, 13, 49])
@pytest.mark.parametrize("columns", [1, 5, 64])
@pytest.mark.parametrize("together", [1, 4])
def test_units_cover_every_input_and_every_comparator_that_matters(name, width, columns, together):
    schedule = kernel_schedule(name, width, min(columns, width), together)
    inputs = [first + i for first, count in schedule.units for i in range(count)]
    assert inputs == list(range(width))
    assert set(schedule.units[:, 1]) <= {1, together}
    for unit, (first, count) in enumerate(schedule.units):
        needed = matters(name, width, min(columns, width), first, count)
        visited = []
        for has_quads, (begin, end) in zip(
            schedule.step_has_quads, schedule.ranges[unit], strict=True
        ):
            visited.extend(
                schedule.quads[begin:end, 4:].flatten() if has_quads else range(begin, end)
            )
        assert len(visited) * count <= schedule.most_kept
        if columns >= width:
            assert len(visited) <= 1.4 * len(needed) + 4  # little is visited in vain
        nothing = len(schedule.comparators) - 1
        visited = [comparator for comparator in visited if comparator != nothing]
        assert len(visited) == len(set(visited))
        assert set(needed) <= set(visited)


@pytest.mark.parametrize("width", [4, 13, 49, 54, 64, 100])
def test_quads_are_two_layers_of_the_network(width):
    schedule = kernel_schedule("bitonic", width, width, 4)
    layers = sorting_network("bitonic", width).layers
    pairs = np.concatenate([np.stack([layer.low, layer.high], axis=1) for layer in layers])
    np.testing.assert_array_equal(schedule.comparators, [*pairs, (width, width)])
    assert len(schedule.quads)
    for a, b, c, d, ac, bd, ab, cd in schedule.quads:
        for low, high, comparator in ((a, c, ac), (b, d, bd), (a, b, ab), (c, d, cd)):
            if comparator == len(pairs):  # stands for a comparator with a discarded wire
                assert width in (low, high)
            else:
                assert (low, high) == tuple(pairs[comparator])


def test_very_long_units_go_one_by_one():
    assert set(kernel_schedule("odd_even", 256, 256, 4).units[:, 1]) == {1}
    assert 4 in kernel_schedule("bitonic", 256, 256, 4).units[:, 1]
