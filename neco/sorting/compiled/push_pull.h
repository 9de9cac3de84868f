// Pushes inputs of the matrix through a sorting network and pulls their gradients back.
#pragma once
#include <algorithm>

#include "vector_math.h"

constexpr int TOGETHER = 4;  // inputs that go together, sharing the loads of the weights

// The tables of schedule.py, which explains them.
struct Pair { int32_t low, high; };
struct Quad { int32_t a, b, c, d, ac, bd, ab, cd; };
struct Unit { int32_t first, count; };
struct Range { int32_t begin, end; };

struct Network {
  const Pair* comparators;
  const Quad* quads;
  const int32_t* step_has_quads;
  const Unit* units;
  const Range* ranges;
  int64_t width, comparator_count, steps, unit_count, most_kept;
};

// One side of a block of rows. A weight is the smaller of a comparator's two swap weights, so that
// it never loses digits, negative where the comparator mostly exchanges its wires.
struct Side {
  const float* source;
  float* gradient;
  float steepness;
  Vec *weights, *slopes, *differences;  // (comparators + 1); slopes: d loss / d (1 - swap weight)
  Vec* values;                          // (width)
  Vec *wires, *kept;                    // (width + 1, TOGETHER), (most_kept)
};

// A comparator on wires a (low) and b (high); spread = b - a. The step is its own transpose.
inline void compare(Vec weight, Vec spread, Vec& a, Vec& b) {
  IntVec exchanged = (IntVec)weight < 0;
  Vec nearer_a = exchanged ? b : a, nearer_b = exchanged ? a : b;
  a = nearer_a + weight * spread;
  b = nearer_b - weight * spread;
}

template <int J, bool keep>
inline Vec* push_comparators(const Network& network, const Side& side, Range range, Vec* kept) {
  for (int32_t i = range.begin; i < range.end; i++) {
    const Vec weight = side.weights[i];
    Vec *low = side.wires + network.comparators[i].low * J;
    Vec *high = side.wires + network.comparators[i].high * J;
#pragma GCC unroll 8
    for (int j = 0; j < J; j++) {
      Vec a = low[j], b = high[j], spread = b - a;
      if (keep) *kept++ = spread;
      compare(weight, spread, a, b);
      low[j] = a, high[j] = b;
    }
  }
  return kept;
}

// Two layers at once: each wire is loaded and stored once instead of twice.
template <int J, bool keep>
inline Vec* push_quads(const Network& network, const Side& side, Range range, Vec* kept) {
  for (int32_t i = range.begin; i < range.end; i++) {
    const Quad& quad = network.quads[i];
    const Vec ac = side.weights[quad.ac], bd = side.weights[quad.bd];
    const Vec ab = side.weights[quad.ab], cd = side.weights[quad.cd];
    Vec *wire_a = side.wires + quad.a * J, *wire_b = side.wires + quad.b * J;
    Vec *wire_c = side.wires + quad.c * J, *wire_d = side.wires + quad.d * J;
#pragma GCC unroll 8
    for (int j = 0; j < J; j++) {
      Vec a = wire_a[j], b = wire_b[j], c = wire_c[j], d = wire_d[j];
      const Vec spread_ac = c - a, spread_bd = d - b;
      compare(ac, spread_ac, a, c);
      compare(bd, spread_bd, b, d);
      const Vec spread_ab = b - a, spread_cd = d - c;
      compare(ab, spread_ab, a, b);
      compare(cd, spread_cd, c, d);
      if (keep) {
        kept[0] = spread_ac, kept[1] = spread_bd, kept[2] = spread_ab, kept[3] = spread_cd;
        kept += 4;
      }
      wire_a[j] = a, wire_b[j] = b, wire_c[j] = c, wire_d[j] = d;
    }
  }
  return kept;
}

// Pushes a unit's J inputs through: wires[w * J + j] is Q[first + j, w]. With `keep`, the spreads
// that every comparator met are kept for pull. Returns their end.
template <int J, bool keep>
const Vec* push(const Network& network, const Side& side, int64_t unit) {
  const int64_t first = network.units[unit].first;
  std::fill(side.wires, side.wires + (network.width + 1) * J, Vec{});
  for (int j = 0; j < J; j++) side.wires[(first + j) * J + j] = splat(1.0f);
  Vec* kept = side.kept;
  for (int64_t step = 0; step < network.steps; step++) {
    const Range range = network.ranges[unit * network.steps + step];
    kept = network.step_has_quads[step] ? push_quads<J, keep>(network, side, range, kept)
                                        : push_comparators<J, keep>(network, side, range, kept);
  }
  return kept;
}

template <int J>
inline const Vec* pull_comparators(const Network& network, const Side& side, Range range,
                                   const Vec* kept) {
  for (int32_t i = range.end - 1; i >= range.begin; i--) {
    const Vec weight = side.weights[i];
    Vec slope = side.slopes[i];
    Vec *low = side.wires + network.comparators[i].low * J;
    Vec *high = side.wires + network.comparators[i].high * J;
    kept -= J;
#pragma GCC unroll 8
    for (int j = 0; j < J; j++) {
      Vec a = low[j], b = high[j], spread = b - a;
      slope += spread * kept[j];
      compare(weight, spread, a, b);
      low[j] = a, high[j] = b;
    }
    side.slopes[i] = slope;
  }
  return kept;
}

template <int J>
inline const Vec* pull_quads(const Network& network, const Side& side, Range range,
                             const Vec* kept) {
  for (int32_t i = range.end - 1; i >= range.begin; i--) {
    const Quad& quad = network.quads[i];
    const Vec ac = side.weights[quad.ac], bd = side.weights[quad.bd];
    const Vec ab = side.weights[quad.ab], cd = side.weights[quad.cd];
    Vec slope_ac{}, slope_bd{}, slope_ab{}, slope_cd{};
    Vec *wire_a = side.wires + quad.a * J, *wire_b = side.wires + quad.b * J;
    Vec *wire_c = side.wires + quad.c * J, *wire_d = side.wires + quad.d * J;
    kept -= 4 * J;
#pragma GCC unroll 8
    for (int j = 0; j < J; j++) {
      Vec a = wire_a[j], b = wire_b[j], c = wire_c[j], d = wire_d[j];
      const Vec spread_ab = b - a, spread_cd = d - c;
      slope_ab += spread_ab * kept[4 * j + 2];
      slope_cd += spread_cd * kept[4 * j + 3];
      compare(ab, spread_ab, a, b);
      compare(cd, spread_cd, c, d);
      const Vec spread_ac = c - a, spread_bd = d - b;
      slope_ac += spread_ac * kept[4 * j];
      slope_bd += spread_bd * kept[4 * j + 1];
      compare(ac, spread_ac, a, c);
      compare(bd, spread_bd, b, d);
      wire_a[j] = a, wire_b[j] = b, wire_c[j] = c, wire_d[j] = d;
    }
    side.slopes[quad.ac] += slope_ac;
    side.slopes[quad.bd] += slope_bd;
    side.slopes[quad.ab] += slope_ab;
    side.slopes[quad.cd] += slope_cd;
  }
  return kept;
}

// The way back: wires hold d loss / d Q; adds to the slopes of the comparators.
template <int J>
void pull(const Network& network, const Side& side, int64_t unit, const Vec* kept) {
  for (int64_t step = network.steps - 1; step >= 0; step--) {
    const Range range = network.ranges[unit * network.steps + step];
    kept = network.step_has_quads[step] ? pull_quads<J>(network, side, range, kept)
                                        : pull_comparators<J>(network, side, range, kept);
  }
}
