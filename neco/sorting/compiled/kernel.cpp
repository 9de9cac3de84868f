// The sorting loss and its gradient for LANES rows at a time, one row per SIMD lane.
//
// The weights of the comparators depend on the R values of a row only, so they are computed first.
// Then every input j is pushed through both networks on its own (row j of Q, starting from a one
// on wire j), meets the logarithm, and is pulled back, all while it is in cache: neither Q nor its
// gradient ever exists.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif
#include "push_pull.h"

namespace {

constexpr float TIE_OFFSET = 1e-10f;
constexpr float ONE_OVER_PI = 0.318309886f;
constexpr size_t KEPT_BETWEEN_CALLS = size_t{1} << 23;  // bytes of scratch

enum Relaxation { CAUCHY, LOGISTIC, LOGISTIC_PHI };

}  // namespace

// The arguments; `Call` in compiled/__init__.py has the same fields in the same order.
struct Call {
  const float *student, *teacher;              // (rows, width)
  float *loss, *floor;                         // (rows)
  float *student_gradient, *teacher_gradient;  // (rows, width), or null when not wanted
  Network network;
  int64_t rows, columns, threads, relaxation, two_way;
  float student_steepness, teacher_steepness, phi_lambda, log_floor;
};

namespace {

inline Vec comparator_weight(const Call& call, float steepness, Vec difference) {
  Vec distance = magnitude(difference), scaled = distance * steepness, smaller;
  if (call.relaxation == CAUCHY) {
    IntVec far = scaled > 1.0f;
    Vec one = splat(1.0f);
    Vec angle = arctan_over_pi((far ? one : scaled) / (far ? scaled : one));
    smaller = far ? angle : 0.5f - angle;
  } else {
    if (call.relaxation == LOGISTIC_PHI)
      scaled *= negative_power(distance + TIE_OFFSET, call.phi_lambda);
    Vec odds = exp_of_negative(scaled);
    smaller = odds / (1.0f + odds);
  }
  return (Vec)((IntVec)smaller | sign_bit(difference));
}

inline Vec weight_slope(const Call& call, float steepness, Vec difference, Vec weight) {
  Vec distance = magnitude(difference);
  if (call.relaxation == CAUCHY) {
    Vec scaled = distance * steepness;
    return steepness * ONE_OVER_PI / (1.0f + scaled * scaled);
  }
  Vec smaller = magnitude(weight), slope = smaller * (1.0f - smaller) * steepness;
  if (call.relaxation == LOGISTIC_PHI) {
    Vec offset = distance + TIE_OFFSET;
    slope *= negative_power(offset, call.phi_lambda) * (1.0f - call.phi_lambda * distance / offset);
  }
  return slope;
}

// Sorts the values of rows row .. row + LANES; fills weights and differences. Returns zero, or NaN
// in the lanes whose values are not finite.
Vec sort_values(const Call& call, Side& side, int64_t row) {
  const int64_t width = call.network.width, count = call.network.comparator_count;
  for (int lane = 0; lane < LANES; lane++) {
    const float* values = side.source + std::min(row + lane, call.rows - 1) * width;
    for (int64_t w = 0; w < width; w++) side.values[w][lane] = values[w];
  }
  Vec not_finite{};
  for (int64_t w = 0; w < width; w++) not_finite += side.values[w] - side.values[w];
  for (int64_t i = 0; i < count; i++) {
    const Pair wires = call.network.comparators[i];
    Vec &low = side.values[wires.low], &high = side.values[wires.high];
    Vec difference = high - low;
    side.weights[i] = comparator_weight(call, side.steepness, difference);
    compare(side.weights[i], difference, low, high);
    if (side.gradient) side.differences[i] = difference;
  }
  side.weights[count] = Vec{};  // what a quad lacks leaves its wires alone
  if (side.gradient) std::fill(side.slopes, side.slopes + count + 1, Vec{});
  return not_finite;
}

// From the slopes of the comparators to the gradient of the values.
void pull_values(const Call& call, Side& side, int64_t row) {
  const int64_t width = call.network.width;
  std::fill(side.values, side.values + width, Vec{});
  for (int64_t i = call.network.comparator_count - 1; i >= 0; i--) {
    const Pair wires = call.network.comparators[i];
    Vec &low = side.values[wires.low], &high = side.values[wires.high];
    Vec weight = side.weights[i], difference = side.differences[i], spread = high - low;
    Vec slope = (side.slopes[i] + spread * difference) *
                weight_slope(call, side.steepness, difference, weight);
    compare(weight, spread, low, high);
    low -= slope;
    high += slope;
  }
  const float scale = -1.0f / call.columns;
  for (int lane = 0; lane < std::min<int64_t>(LANES, call.rows - row); lane++) {
    float* gradient = side.gradient + (row + lane) * width;
    for (int64_t w = 0; w < width; w++) gradient[w] = side.values[w][lane] * scale;
  }
}

// Adds sum target log prediction to loss and to entropy; wires become d loss / d Q, both up to the
// factor -1 / columns.
template <int J, bool two_way>
void compare_columns(const Call& call, Side& student, Side& teacher, Vec& loss, Vec& entropy) {
  Vec loss_sum{}, entropy_sum{};
  for (int64_t i = 0; i < call.columns * J; i++) {
    Vec s = student.wires[i], t = teacher.wires[i];
    Vec log_s = natural_log(at_least(s, call.log_floor));
    Vec log_t = natural_log(at_least(t, call.log_floor));
    loss_sum += t * log_s;
    entropy_sum += t * log_t;
    student.wires[i] = s >= call.log_floor ? t / s : Vec{};
    if (two_way) {
      loss_sum += s * log_t;
      entropy_sum += s * log_s;
      student.wires[i] += log_t;
      teacher.wires[i] = (t >= call.log_floor ? s / t : Vec{}) + log_s;
    }
  }
  loss += loss_sum;
  entropy += entropy_sum;
}

template <int J>
void visit_unit(const Call& call, Side& student, Side& teacher, int64_t unit, Vec& loss,
                Vec& entropy) {
  const Network& network = call.network;
  const Vec* kept[2];
  Side* sides[2] = {&student, &teacher};
  for (int i = 0; i < 2; i++)
    kept[i] = sides[i]->gradient ? push<J, true>(network, *sides[i], unit)
                                 : push<J, false>(network, *sides[i], unit);
  if (call.two_way)
    compare_columns<J, true>(call, student, teacher, loss, entropy);
  else
    compare_columns<J, false>(call, student, teacher, loss, entropy);
  for (int i = 0; i < 2; i++) {
    if (!sides[i]->gradient) continue;
    std::fill(sides[i]->wires + call.columns * J, sides[i]->wires + (network.width + 1) * J, Vec{});
    pull<J>(network, *sides[i], unit, kept[i]);
  }
}

// Memory of one thread, aligned for Vec; the calling thread keeps a small one between calls.
class Scratch {
 public:
  Vec* reserve(int64_t vectors) {
    const size_t bytes = vectors * sizeof(Vec);
    if (bytes > size_) {
      std::free(memory_);
      memory_ = std::aligned_alloc(sizeof(Vec), bytes);
      size_ = memory_ ? bytes : 0;
    }
    return static_cast<Vec*>(memory_);
  }
  void release_if_large() {
    if (size_ > KEPT_BETWEEN_CALLS) std::free(memory_), memory_ = nullptr, size_ = 0;
  }
  ~Scratch() { std::free(memory_); }

 private:
  void* memory_ = nullptr;
  size_t size_ = 0;
};

thread_local Scratch scratch;

// Works on blocks of rows until none is left. Returns false when memory is short.
bool visit_blocks(const Call& call, std::atomic<int64_t>& next_block) {
  Side sides[2] = {};
  sides[0].source = call.student, sides[0].gradient = call.student_gradient;
  sides[1].source = call.teacher, sides[1].gradient = call.teacher_gradient;
  sides[0].steepness = call.student_steepness, sides[1].steepness = call.teacher_steepness;
  const Network& network = call.network;
  const int64_t comparators = network.comparator_count + 1;
  int64_t vectors = 0;
  for (const Side& side : sides)
    vectors += comparators + network.width + (network.width + 1) * TOGETHER +
               (side.gradient ? 2 * comparators + network.most_kept : 0);
  Vec* memory = scratch.reserve(vectors);
  if (!memory) return false;
  auto take = [&memory](int64_t count) { return std::exchange(memory, memory + count); };
  for (Side& side : sides) {
    side.weights = take(comparators);
    side.values = take(network.width);
    side.wires = take((network.width + 1) * TOGETHER);
    if (!side.gradient) continue;
    side.slopes = take(comparators);
    side.differences = take(comparators);
    side.kept = take(network.most_kept);
  }
#if defined(__SSE__)
  const unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040);  // denormal numbers are zero: they are slow and far below the floor
#endif
  for (int64_t row; (row = LANES * next_block++) < call.rows;) {
    Vec loss = sort_values(call, sides[0], row) + sort_values(call, sides[1], row), entropy{};
    for (int64_t unit = 0; unit < network.unit_count; unit++) {
      if (network.units[unit].count == 1)
        visit_unit<1>(call, sides[0], sides[1], unit, loss, entropy);
      else
        visit_unit<TOGETHER>(call, sides[0], sides[1], unit, loss, entropy);
    }
    for (Side& side : sides)
      if (side.gradient) pull_values(call, side, row);
    for (int lane = 0; lane < std::min<int64_t>(LANES, call.rows - row); lane++) {
      call.loss[row + lane] = loss[lane] / -call.columns;
      call.floor[row + lane] = entropy[lane] / -call.columns;
    }
  }
#if defined(__SSE__)
  _mm_setcsr(mode);
#endif
  scratch.release_if_large();
  return true;
}

}  // namespace

// Returns 0, or 1 when the scratch memory could not be had.
extern "C" int neco_sorting_loss(const Call* call) {
  std::atomic<int64_t> next_block{0};
  std::atomic<int> failures{0};
  auto work = [&] { failures += !visit_blocks(*call, next_block); };
  std::vector<std::thread> others;
  try {
    for (int64_t i = 1; i < call->threads; i++) others.emplace_back(work);
  } catch (const std::system_error&) {  // no more threads to be had: those that started suffice
  }
  work();
  for (std::thread& other : others) other.join();
  return failures != 0;
}

extern "C" int neco_sorting_together() { return TOGETHER; }
