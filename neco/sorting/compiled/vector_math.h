// SIMD lanes by GCC's and Clang's vector extensions, and the few functions that the loss needs.
// Polynomials: minimax fits made for this file, relative error below 4e-8 on the stated ranges.
#pragma once
#include <cstdint>

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif
typedef float Vec __attribute__((vector_size(LANES * 4)));
typedef int32_t IntVec __attribute__((vector_size(LANES * 4)));

inline Vec splat(float x) { return x - Vec{}; }
inline Vec magnitude(Vec x) { return (Vec)((IntVec)x & 0x7fffffff); }
inline IntVec sign_bit(Vec x) { return (IntVec)x & INT32_MIN; }
inline Vec at_least(Vec x, float bound) { return x > bound ? x : splat(bound); }
inline Vec to_float(IntVec x) { return __builtin_convertvector(x, Vec); }
inline Vec nearest_integer(Vec x) { return (x + 12582912.0f) - 12582912.0f; }  // |x| < 2^22

template <int N>
inline Vec polynomial(Vec x, const float (&coefficients)[N]) {  // highest power first
  Vec sum = splat(coefficients[0]);
#pragma GCC unroll 16
  for (int i = 1; i < N; i++) sum = sum * x + coefficients[i];
  return sum;
}

// x = 2^exponent (1 + rest) with rest in [sqrt(1/2) - 1, sqrt(2) - 1], for positive normal x.
inline void split(Vec x, Vec& exponent, Vec& rest) {
  IntVec power = ((IntVec)x - 0x3f3504f3) >> 23;  // 0x3f3504f3: the bits of sqrt(1/2)
  exponent = to_float(power);
  rest = (Vec)((IntVec)x - (power << 23)) - 1.0f;
}

inline Vec natural_log(Vec x) {
  Vec exponent, r;
  split(x, exponent, r);
  Vec tail = polynomial(r, {0.0873484098f, -0.143075199f, 0.149179745f, -0.165705084f,
                            0.199620719f, -0.250017552f, 0.333339502f, -0.499999916f});
  return exponent * 0.693147181f + (tail * r * r + r);
}

// 2^(whole + fraction), whole an integer in [-126, 127], fraction within about [-1/2, 1/2].
inline Vec exp2_of(Vec whole, Vec fraction) {
  Vec mantissa = polynomial(fraction, {0.000153533632f, 0.00133988744f, 0.00961843735f,
                                       0.0555033247f, 0.240226479f, 0.693147203f, 1.0f});
  return mantissa * (Vec)((__builtin_convertvector(whole, IntVec) + 127) << 23);
}

// e^-x for x >= 0; beyond 87 the result stays at e^-87, far below any log floor.
inline Vec exp_of_negative(Vec x) {
  x = x < 87.0f ? x : splat(87.0f);
  Vec whole = nearest_integer(x * -1.44269504f);
  Vec rest = (-x - whole * 0.693359375f) + whole * 2.12194440e-4f;  // ln 2 in two parts
  return exp2_of(whole, rest * 1.44269504f);
}

// x^-power for positive x: the exponent's share is kept apart, so that large results stay exact.
inline Vec negative_power(Vec x, float power) {
  Vec exponent, r;
  split(x, exponent, r);
  Vec log2_rest = r * polynomial(r, {-0.14574445f, 0.236890292f, -0.250069016f, 0.286707467f,
                                     -0.360087219f, 0.480939444f, -0.721357149f, 1.44269477f});
  Vec whole = nearest_integer(exponent * -power);
  Vec fraction = (exponent * -power - whole) - power * log2_rest;
  Vec carry = nearest_integer(fraction);
  return exp2_of(whole + carry, fraction - carry);
}

// arctan(x) / pi for x in [0, 1].
inline Vec arctan_over_pi(Vec x) {
  return x * polynomial(x * x, {0.00092423052f, -0.00518304575f, 0.0136998597f, -0.0239804361f,
                                0.0339148899f, -0.0452227099f, 0.0636398675f, -0.106102533f,
                                0.318309882f});
}
