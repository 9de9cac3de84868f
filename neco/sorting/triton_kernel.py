# Triton's language inside @triton.jit is not typed Python:
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
"""Triton kernels of the sorting loss: the two sides' values come in, losses and gradients go out.

They cover bitonic networks in float32 on CUDA. One program computes one row, in three kernels:

1. `sort_values` sorts the row's R values and writes the swap weight of every comparator to a table.
2. `compare_rows` computes the loss. It takes a group of neighbouring inputs at a time, that is a
   few rows of Q, and pushes them through the layers of the network. For the gradient it then goes
   back through the same layers. The function of a layer calls that of the next layer, so what the
   layer needs on the way back waits in registers. Neither Q nor its gradient reaches memory.
3. `pull_values` goes back through the sort of the values and writes their gradient.

The words are those of networks.py. Beside them:

    wire        one of the 2 ** EXPONENT wires of the complete network; the first `discarded` of
                them take part in no comparison, so that R wires are left
    stage, step STAGE and STEP name a layer, whose comparators join wires w and w ^ (1 << STEP)
    own, other  the side whose gradient is computed, and the side that it is compared with
    group       2 ** GROUP_BITS inputs that are pushed together; `base` is the first of them
    tile        (inputs of the group, 2, ..., 2): the inputs on all wires that they can have
                reached, which are twice as many after every stage. A tensor over wires has a
                dimension of size 2 for each bit of the wire's number, so a comparator joins the
                two halves of a dimension.
    spread      the difference between a comparator's two wires in a tile or in a gradient
    slope       the derivative of the loss with respect to a comparator's keep weight
    table       (rows, layers, wires): a number for every comparator, stored at both of its wires;
                layers are in order of execution
"""

from __future__ import annotations

import triton
import triton.language as tl

TIE_OFFSET = tl.constexpr(1e-10)
ONE_OVER_PI = tl.constexpr(0.318309886)


@triton.jit
def partner_of(tensor, BIT: tl.constexpr):
    """Return, for every wire, the value of the wire whose number differs in this bit."""
    # The exclusive or of both values and one of them is exactly the other; a sum would round.
    bits = tensor.to(tl.int32, bitcast=True)
    bits = bits ^ tl.xor_sum(bits, axis=len(tensor.shape) - 1 - BIT, keep_dims=True)
    return bits.to(tl.float32, bitcast=True)


@triton.jit
def wire_numbers(BITS: tl.constexpr):
    """Return 0 .. 2 ** BITS - 1, shaped (2, ..., 2) with one dimension for each bit."""
    return tl.reshape(tl.arange(0, 2**BITS), [2] * BITS)


@triton.jit
def apply_layer(tile, partner, weight):
    """Return the tile after a layer. A layer is its own transpose, so gradients use it as well.

    weight: as comparator_weight returns it.
    """
    exchanged = weight.to(tl.int32, bitcast=True) < 0
    return tl.where(exchanged, partner, tile) + weight * (partner - tile)


@triton.jit
def arctan_over_pi(x):
    """Return arctan(x) / pi for x in [0, 1], with a relative error of 2e-8."""
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
    """Return the smaller of keep and swap, negative where it is keep, that is where high < low."""
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
    """Return d keep / d difference, from the weight that comparator_weight returned for it."""
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
    """Return the wires' numbers, which wires receive the minimum, and which are compared at all."""
    wires = wire_numbers(EXPONENT)
    descending = (wires >> (STAGE + 1)) & 1
    receives_low = ((wires >> STEP) & 1) == descending
    return wires, receives_low, (wires >= discarded) & ((wires ^ (1 << STEP)) >= discarded)


@triton.jit
def table_start(EXPONENT: tl.constexpr):
    """Return the offset at which a table has the row of this program."""
    return tl.program_id(0).to(tl.int64) * (EXPONENT * (EXPONENT + 1) // 2 * 2**EXPONENT)


@triton.jit
def sort_values(
    source, weights, differences, slopes, sums, width, steepness, phi_lambda,
    EXPONENT: tl.constexpr, RELAXATION: tl.constexpr, DIFFERENTIATE: tl.constexpr,
):  # fmt: skip
    """Sort a row of `source` (rows, width) and write its row of the tables.

    weights: what comparator_weight returns. differences: high - low. slopes: zeros, to which
    compare_rows adds. The last two are written only if DIFFERENTIATE is true.
    sums: (rows,), to which NaN is added where a value of the row is not finite.
    """
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
            values = apply_layer(values, partner, weight)
            tl.store(weights + offset, weight)
            if DIFFERENTIATE:
                tl.store(differences + offset, difference)
                tl.store(slopes + offset, tl.zeros_like(weight))


@triton.jit
def pull_values(
    target, weights, differences, slopes, width, steepness, phi_lambda, scale,
    EXPONENT: tl.constexpr, RELAXATION: tl.constexpr,
):  # fmt: skip
    """Write the gradient of a row's values to `target` (rows, width), multiplied by `scale`.

    weights, differences: the tables of sort_values. slopes: the table that compare_rows added to.
    """
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
            gradient = apply_layer(gradient, partner, weight)
            gradient += tl.where(active, tl.where(low, -slope, slope), 0.0)
    tl.store(target + wires - discarded, gradient * scale, mask=wires >= discarded)


@triton.jit
def half_of_group(base, BITS: tl.constexpr):
    """Return (1, 2, 1, ..., 1) bool: in which half of 2 ** (BITS + 1) wires the group is."""
    half = tl.arange(0, 2) == (base >> BITS) % 2
    return tl.reshape(half, [1, 2] + [1] * BITS)


@triton.jit
def grow(tile, base):
    """Return the tile over twice as many wires, with zeros on those not reached before."""
    return tl.where(half_of_group(base, len(tile.shape) - 1), tl.expand_dims(tile, 1), 0.0)


@triton.jit
def shrink(tile, base):
    """Return the half of the tile that `grow` filled; the transpose of `grow`."""
    return tl.sum(tl.where(half_of_group(base, len(tile.shape) - 2), tile, 0.0), axis=1)


@triton.jit
def layer_offsets(
    base, EXPONENT: tl.constexpr, STAGE: tl.constexpr, STEP: tl.constexpr, BITS: tl.constexpr
):
    """Return (2, ..., 2): where a table has this layer's wires that the group has reached."""
    layer: tl.constexpr = STAGE * (STAGE + 1) // 2 + STAGE - STEP
    return layer * 2**EXPONENT + (base >> BITS << BITS) + wire_numbers(BITS)


@triton.jit
def identity_tile(base, discarded, GROUP_BITS: tl.constexpr):
    """Return the tile before the first layer: each input on its own wire, zero if discarded."""
    inputs = tl.reshape(tl.arange(0, 2**GROUP_BITS), [2**GROUP_BITS] + [1] * GROUP_BITS)
    own = inputs == tl.expand_dims(wire_numbers(GROUP_BITS), 0)
    return tl.where(own & (base + inputs >= discarded), 1.0, 0.0)


@triton.jit
def push(tile, weights, base, EXPONENT: tl.constexpr, STAGE: tl.constexpr, STEP: tl.constexpr):
    """Return the group's rows of Q, from their tile before layer (STAGE, STEP)."""
    if STEP == STAGE and len(tile.shape) < STAGE + 2:
        tile = grow(tile, base)
    offsets = layer_offsets(base, EXPONENT, STAGE, STEP, len(tile.shape) - 1)
    weight = tl.expand_dims(tl.load(weights + offsets), 0)
    tile = apply_layer(tile, partner_of(tile, STEP), weight)
    if STEP > 0:
        tile = push(tile, weights, base, EXPONENT, STAGE, STEP - 1)
    elif STAGE + 1 < EXPONENT:
        tile = push(tile, weights, base, EXPONENT, STAGE + 1, STAGE + 1)
    return tile


@triton.jit
def compare_columns(own, other, log_floor, discarded, columns, TWO_WAY: tl.constexpr):
    """Return the gradient of the first sum with respect to `own`, and two sums as scalars.

    own, other: rows of Q of both sides, of which the first `columns` sorted positions enter. The
    sums are of target * log(prediction): with `own` as prediction and `other` as target for the
    loss, and with the target as its own prediction for the entropy. TWO_WAY adds the same with the
    sides exchanged to both.
    """
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
def push_compare_pull(
    tile, other, weights, slopes, base, log_floor, discarded, columns,
    EXPONENT: tl.constexpr, STAGE: tl.constexpr, STEP: tl.constexpr, TWO_WAY: tl.constexpr,
):  # fmt: skip
    """Push the tile through layer (STAGE, STEP) and all that follow, and come back.

    Returns the gradient of the tile that came in, and the two sums of compare_columns. Adds to the
    slopes of all comparators on the way back. other: the other side's rows of Q.
    """
    grows: tl.constexpr = STEP == STAGE and len(tile.shape) < STAGE + 2
    if grows:
        tile = grow(tile, base)
    offsets = layer_offsets(base, EXPONENT, STAGE, STEP, len(tile.shape) - 1)
    partner = partner_of(tile, STEP)
    spread = partner - tile
    after = apply_layer(tile, partner, tl.expand_dims(tl.load(weights + offsets), 0))
    if STEP > 0:
        gradient, cross, entropy = push_compare_pull(
            after, other, weights, slopes, base, log_floor, discarded, columns,
            EXPONENT, STAGE, STEP - 1, TWO_WAY,
        )  # fmt: skip
    elif STAGE + 1 < EXPONENT:
        gradient, cross, entropy = push_compare_pull(
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
    gradient = apply_layer(gradient, partner, tl.expand_dims(tl.load(weights + offsets), 0))
    if grows:
        gradient = shrink(gradient, base)
    return gradient, cross, entropy


@triton.jit
def compare_rows(
    own_weights, other_weights, slopes, sums, entropies, width, columns, log_floor,
    EXPONENT: tl.constexpr, GROUP_BITS: tl.constexpr, TWO_WAY: tl.constexpr,
    DIFFERENTIATE: tl.constexpr,
):  # fmt: skip
    """Add a row's sum of target * log(prediction) to `sums`, and write that of the entropy.

    own_weights, other_weights: tables of sort_values. slopes: the own side's table, to which is
    added if DIFFERENTIATE is true. sums, entropies: (rows,). Without TWO_WAY, the own side is the
    prediction and the other side is the target.
    """
    discarded = 2**EXPONENT - width
    own_weights += table_start(EXPONENT)
    other_weights += table_start(EXPONENT)
    slopes += table_start(EXPONENT)
    cross = tl.load(sums + tl.program_id(0))
    entropy = cross * 0
    for base in range(discarded >> GROUP_BITS << GROUP_BITS, 2**EXPONENT, 2**GROUP_BITS):
        inputs = identity_tile(base, discarded, GROUP_BITS)
        other = push(inputs, other_weights, base, EXPONENT, 0, 0)
        if DIFFERENTIATE:
            _, cross_part, entropy_part = push_compare_pull(
                inputs, other, own_weights, slopes, base, log_floor, discarded, columns,
                EXPONENT, 0, 0, TWO_WAY,
            )  # fmt: skip
            # The next group adds to the same slopes, and another thread may do it.
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
