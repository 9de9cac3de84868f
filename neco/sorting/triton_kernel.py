# Triton's language inside @triton.jit is not typed Python:
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
"""The Triton kernels of the sorting loss for bitonic networks: CUDA, float32, a row a program.

`sort_values` sorts the row's R values and leaves the weights of the comparators in a table.
`compare_rows` takes a few neighbouring inputs at a time (rows of Q), pushes them through the
network and, on the way back, returns through the same layers: the visit of a layer calls the visit
of the next one, so what a comparator met waits in registers for the gradient, and neither Q nor its
gradient reaches memory. `pull_values` turns the slopes that this leaves into the gradient.

Wires are those of the complete network of 2 ** EXPONENT wires; the first `discarded` take part
in no comparison. A tensor over wires has one dimension of size 2 for every bit of the wire, so that
the comparators of a layer join the two halves of one dimension. A tile is (inputs, 2, ..., 2) over
the wires that the inputs can have come to; they double from stage to stage. Tables are
(rows, layers, wires), layers in order of execution.
"""

from __future__ import annotations

import triton
import triton.language as tl

TIE_OFFSET = tl.constexpr(1e-10)
ONE_OVER_PI = tl.constexpr(0.318309886)


@triton.jit
def partner_of(tensor, BIT: tl.constexpr):
    """Return the tensor with wires that differ in this bit exchanged (xor of bits is exact)."""
    bits = tensor.to(tl.int32, bitcast=True)
    bits = bits ^ tl.xor_sum(bits, axis=len(tensor.shape) - 1 - BIT, keep_dims=True)
    return bits.to(tl.float32, bitcast=True)


@triton.jit
def wire_numbers(BITS: tl.constexpr):
    """Return 0 .. 2 ** BITS - 1 with one dimension per bit."""
    return tl.reshape(tl.arange(0, 2**BITS), [2] * BITS)


@triton.jit
def compare(tile, partner, weight):
    """Return the tile after a layer. The step is its own transpose.

    weight: the smaller swap weight, with the sign bit where a comparator mostly exchanges.
    """
    exchanged = weight.to(tl.int32, bitcast=True) < 0
    return tl.where(exchanged, partner, tile) + weight * (partner - tile)


@triton.jit
def arctan_over_pi(x):
    """Return arctan(x) / pi for x in [0, 1], relative error 2e-8."""
    u = x * x
    series = u * 0.00092423052 - 0.00518304575
    series = series * u + 0.0136998597
    series = series * u - 0.0239804361
    series = series * u + 0.0339148899
    series = series * u - 0.0452227099
    series = series * u + 0.0636398675
    series = series * u - 0.106102533
    return x * (series * u + 0.318309882)


@triton.jit
def phi_factor(distance, phi_lambda):
    """Return (distance + TIE_OFFSET) ** -phi_lambda."""
    return tl.exp2(-phi_lambda * tl.log2(distance + TIE_OFFSET))


@triton.jit
def comparator_weight(difference, steepness, phi_lambda, RELAXATION: tl.constexpr):
    """Return the smaller swap weight, negative where difference = high - low is."""
    distance = tl.abs(difference)
    scaled = distance * steepness
    if RELAXATION == "cauchy":
        far = scaled > 1
        angle = arctan_over_pi(tl.where(far, 1.0, scaled) / tl.where(far, scaled, 1.0))
        smaller = tl.where(far, angle, 0.5 - angle)
    else:
        if RELAXATION == "logistic_phi":
            scaled = scaled * phi_factor(distance, phi_lambda)
        odds = tl.exp(-scaled)
        smaller = odds / (1 + odds)
    return tl.where(difference < 0, -smaller, smaller)


@triton.jit
def weight_slope(difference, weight, steepness, phi_lambda, RELAXATION: tl.constexpr):
    """Return d keep / d difference."""
    distance = tl.abs(difference)
    if RELAXATION == "cauchy":
        scaled = distance * steepness
        return steepness * ONE_OVER_PI / (1 + scaled * scaled)
    smaller = tl.abs(weight)
    slope = smaller * (1 - smaller) * steepness
    if RELAXATION == "logistic_phi":
        share = distance / (distance + TIE_OFFSET)
        slope = slope * phi_factor(distance, phi_lambda) * (1 - phi_lambda * share)
    return slope


@triton.jit
def wire_roles(EXPONENT: tl.constexpr, STAGE: tl.constexpr, STEP: tl.constexpr, discarded):
    """Return wires, which of them receive the minimum, and which are compared at all."""
    wires = wire_numbers(EXPONENT)
    descending = (wires >> (STAGE + 1)) & 1
    receives_low = ((wires >> STEP) & 1) == descending
    return wires, receives_low, (wires >= discarded) & ((wires ^ (1 << STEP)) >= discarded)


@triton.jit
def table_start(EXPONENT: tl.constexpr):
    """Return where the tables of this program's row begin."""
    return tl.program_id(0).to(tl.int64) * (EXPONENT * (EXPONENT + 1) // 2 * 2**EXPONENT)


@triton.jit
def sort_values(
    source, weights, differences, slopes, sums, width, steepness, phi_lambda,
    EXPONENT: tl.constexpr, RELAXATION: tl.constexpr, DIFFERENTIATE: tl.constexpr,
):  # fmt: skip
    """Write weights, differences and zero slopes; add NaN to the row's sum if it is not finite."""
    discarded = 2**EXPONENT - width
    source += width.to(tl.int64) * tl.program_id(0)
    weights += table_start(EXPONENT)
    differences += table_start(EXPONENT)
    slopes += table_start(EXPONENT)
    wires = wire_numbers(EXPONENT)
    values = tl.load(source + wires - discarded, mask=wires >= discarded, other=0.0)
    not_finite = tl.sum(values - values)
    tl.store(sums + tl.program_id(0), tl.load(sums + tl.program_id(0)) + not_finite)
    for STAGE in tl.static_range(EXPONENT):
        for DONE in tl.static_range(STAGE + 1):
            _, low, active = wire_roles(EXPONENT, STAGE, STAGE - DONE, discarded)
            offset = (STAGE * (STAGE + 1) // 2 + DONE) * 2**EXPONENT + wires
            partner = partner_of(values, STAGE - DONE)
            difference = tl.where(low, partner - values, values - partner)
            weight = comparator_weight(difference, steepness, phi_lambda, RELAXATION)
            weight = tl.where(active, weight, 0.0)
            values = compare(values, partner, weight)
            tl.store(weights + offset, weight)
            if DIFFERENTIATE:
                tl.store(differences + offset, difference)
                tl.store(slopes + offset, tl.zeros_like(weight))


@triton.jit
def pull_values(
    target, weights, differences, slopes, width, steepness, phi_lambda, scale,
    EXPONENT: tl.constexpr, RELAXATION: tl.constexpr,
):  # fmt: skip
    """From the slopes of the comparators to the gradient of the row's values."""
    discarded = 2**EXPONENT - width
    target += width.to(tl.int64) * tl.program_id(0)
    weights += table_start(EXPONENT)
    differences += table_start(EXPONENT)
    slopes += table_start(EXPONENT)
    wires = wire_numbers(EXPONENT)
    gradient = tl.zeros([2] * EXPONENT, tl.float32)
    for STAGE in tl.static_range(EXPONENT - 1, -1, -1):
        for STEP in tl.static_range(STAGE + 1):
            _, low, active = wire_roles(EXPONENT, STAGE, STEP, discarded)
            offset = (STAGE * (STAGE + 1) // 2 + STAGE - STEP) * 2**EXPONENT + wires
            weight, difference = tl.load(weights + offset), tl.load(differences + offset)
            partner = partner_of(gradient, STEP)
            spread = tl.where(low, partner - gradient, gradient - partner)
            slope = tl.load(slopes + offset) + spread * difference
            slope *= weight_slope(difference, weight, steepness, phi_lambda, RELAXATION)
            gradient = compare(gradient, partner, weight)
            gradient += tl.where(active, tl.where(low, -slope, slope), 0.0)
    tl.store(target + wires - discarded, gradient * scale, mask=wires >= discarded)


@triton.jit
def own_half(base, BITS: tl.constexpr):
    """Return (1, 2, 1, ..., 1) bool: where the group's wires were before they were twice as many
    as 2 ** BITS."""
    half = tl.arange(0, 2) == (base >> BITS) % 2
    return tl.reshape(half, [1, 2] + [1] * BITS)


@triton.jit
def grow(tile, base):
    """Double the wires: zero where the group's inputs have not been."""
    return tl.where(own_half(base, len(tile.shape) - 1), tl.expand_dims(tile, 1), 0.0)


@triton.jit
def shrink(tile, base):
    """Keep the half that grow filled: its transpose."""
    return tl.sum(tl.where(own_half(base, len(tile.shape) - 2), tile, 0.0), axis=1)


@triton.jit
def layer_offsets(
    base, EXPONENT: tl.constexpr, STAGE: tl.constexpr, STEP: tl.constexpr, BITS: tl.constexpr
):
    """Return (2, ..., 2): where a table holds what the group needs for this layer."""
    layer: tl.constexpr = STAGE * (STAGE + 1) // 2 + STAGE - STEP
    return layer * 2**EXPONENT + (base >> BITS << BITS) + wire_numbers(BITS)


@triton.jit
def inputs_of(base, discarded, GROUP_BITS: tl.constexpr):
    """Return the tile of the group's rows of the identity, zero for discarded inputs."""
    inputs = tl.reshape(tl.arange(0, 2**GROUP_BITS), [2**GROUP_BITS] + [1] * GROUP_BITS)
    own = inputs == tl.expand_dims(wire_numbers(GROUP_BITS), 0)
    return tl.where(own & (base + inputs >= discarded), 1.0, 0.0)


@triton.jit
def push(tile, weights, base, EXPONENT: tl.constexpr, STAGE: tl.constexpr, STEP: tl.constexpr):
    """Return the group's rows of Q from their state before layer (STAGE, STEP)."""
    if STEP == STAGE and len(tile.shape) < STAGE + 2:
        tile = grow(tile, base)
    offsets = layer_offsets(base, EXPONENT, STAGE, STEP, len(tile.shape) - 1)
    weight = tl.expand_dims(tl.load(weights + offsets), 0)
    tile = compare(tile, partner_of(tile, STEP), weight)
    if STEP > 0:
        tile = push(tile, weights, base, EXPONENT, STAGE, STEP - 1)
    elif STAGE + 1 < EXPONENT:
        tile = push(tile, weights, base, EXPONENT, STAGE + 1, STAGE + 1)
    return tile


@triton.jit
def compare_columns(own, other, log_floor, discarded, columns, TWO_WAY: tl.constexpr):
    """Return d sum / d own, shaped as own, and, as scalars, the two sums of target log prediction:
    of the loss and of the entropy."""
    wires = tl.expand_dims(wire_numbers(len(own.shape) - 1), 0)
    counts = (wires >= discarded) & (wires < discarded + columns)
    own, other = tl.where(counts, own, 0.0), tl.where(counts, other, 0.0)
    log_own, log_other = tl.log(tl.maximum(own, log_floor)), tl.log(tl.maximum(other, log_floor))
    gradient = tl.where(own >= log_floor, other / tl.maximum(own, log_floor), 0.0)
    if TWO_WAY:
        gradient += tl.where(counts, log_other, 0.0)
        cross = other * log_own + own * log_other
        entropy = own * log_own + other * log_other
    else:
        cross = other * log_own
        entropy = other * log_other
    return gradient, tl.sum(cross), tl.sum(entropy)


@triton.jit
def visit(
    tile, other, weights, slopes, base, log_floor, discarded, columns,
    EXPONENT: tl.constexpr, STAGE: tl.constexpr, STEP: tl.constexpr, TWO_WAY: tl.constexpr,
):  # fmt: skip
    """Push the tile from layer (STAGE, STEP) on, compare with `other`, and return the gradient of
    the tile and the two sums of compare_columns; add to the slopes of the comparators."""
    grows: tl.constexpr = STEP == STAGE and len(tile.shape) < STAGE + 2
    if grows:
        tile = grow(tile, base)
    offsets = layer_offsets(base, EXPONENT, STAGE, STEP, len(tile.shape) - 1)
    partner = partner_of(tile, STEP)
    spread = partner - tile
    after = compare(tile, partner, tl.expand_dims(tl.load(weights + offsets), 0))
    if STEP > 0:
        gradient, cross, entropy = visit(
            after, other, weights, slopes, base, log_floor, discarded, columns,
            EXPONENT, STAGE, STEP - 1, TWO_WAY,
        )  # fmt: skip
    elif STAGE + 1 < EXPONENT:
        gradient, cross, entropy = visit(
            after, other, weights, slopes, base, log_floor, discarded, columns,
            EXPONENT, STAGE + 1, STAGE + 1, TWO_WAY,
        )  # fmt: skip
    else:
        gradient, cross, entropy = compare_columns(
            after, other, log_floor, discarded, columns, TWO_WAY
        )
    partner = partner_of(gradient, STEP)
    slope = tl.sum((partner - gradient) * spread, axis=0)
    tl.store(slopes + offsets, tl.load(slopes + offsets) + slope)
    gradient = compare(gradient, partner, tl.expand_dims(tl.load(weights + offsets), 0))
    if grows:
        gradient = shrink(gradient, base)
    return gradient, cross, entropy


@triton.jit
def compare_rows(
    own_weights, other_weights, slopes, sums, entropies, width, columns, log_floor,
    EXPONENT: tl.constexpr, GROUP_BITS: tl.constexpr, TWO_WAY: tl.constexpr,
    DIFFERENTIATE: tl.constexpr,
):  # fmt: skip
    """Add sum target log prediction to the row's sums, write the same for the entropy, and add to
    the slopes of `own` comparators. One way, `own` is the prediction and `other` the target."""
    discarded = 2**EXPONENT - width
    own_weights += table_start(EXPONENT)
    other_weights += table_start(EXPONENT)
    slopes += table_start(EXPONENT)
    cross = tl.load(sums + tl.program_id(0))
    entropy = cross * 0
    for base in range(discarded >> GROUP_BITS << GROUP_BITS, 2**EXPONENT, 2**GROUP_BITS):
        inputs = inputs_of(base, discarded, GROUP_BITS)
        other = push(inputs, other_weights, base, EXPONENT, 0, 0)
        if DIFFERENTIATE:
            _, cross_part, entropy_part = visit(
                inputs, other, own_weights, slopes, base, log_floor, discarded, columns,
                EXPONENT, 0, 0, TWO_WAY,
            )  # fmt: skip
            # The slopes are added to again for the next inputs, maybe by another thread.
            tl.debug_barrier()
        else:
            own = push(inputs, own_weights, base, EXPONENT, 0, 0)
            _, cross_part, entropy_part = compare_columns(
                own, other, log_floor, discarded, columns, TWO_WAY
            )
        cross += cross_part
        entropy += entropy_part
    tl.store(sums + tl.program_id(0), cross)
    tl.store(entropies + tl.program_id(0), entropy)
