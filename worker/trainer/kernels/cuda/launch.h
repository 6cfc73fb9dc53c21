#pragma once
// The kernels, as functions that queue them on a stream: pointers to device memory in, nothing
// allocated, nothing waited for. What each computes is what the function of the same name in ops.h,
// quantization or optim computes. `stream` is a cudaStream_t. Rows are contiguous unless a stride
// (in elements) is given. C++17.

#include <cstdint>

namespace lathe::trainer::kernels::cuda {

enum class Element : std::uint8_t { kFloat32, kBfloat16, kFloat16 };

/// nullptr, or why the last kernel of this thread could not be queued.
const char* LaunchRefused();

struct RmsNormCall {
  Element element;
  std::int64_t rows;
  std::int64_t width;
  float epsilon;
  float offset;
  const void* x;
  const void* weight;
  void* y;
  float* rstd;  ///< [rows]
};
void RmsNorm(const RmsNormCall& call, void* stream);

struct RmsNormBackwardCall {
  Element element;
  std::int64_t rows;
  std::int64_t width;
  float offset;
  const void* dy;
  const void* x;
  const void* weight;
  const float* rstd;
  void* dx;  ///< added to
};
void AddRmsNormBackward(const RmsNormBackwardCall& call, void* stream);

/// Heads that lie one after another in each row.
struct HeadsCall {
  Element element;
  std::int64_t rows;
  std::int64_t count;  ///< heads in a row
  std::int64_t head_dim;
  std::int64_t stride;  ///< from row to row
  void* heads;          ///< the first head of the first row
};
struct HeadNormCall {
  HeadsCall to;  ///< normed in place
  float epsilon;
  float offset;
  const void* weight;  ///< [head_dim]
  float* rstd;         ///< [rows, count]
};
void NormHeads(const HeadNormCall& call, void* stream);

struct HeadNormBackwardCall {
  HeadsCall d;  ///< the gradient, in place
  float offset;
  const void* x;  ///< the heads before the norm
  std::int64_t x_stride;
  const void* weight;
  const float* rstd;
};
void NormHeadsBackward(const HeadNormBackwardCall& call, void* stream);

struct RopeCall {
  HeadsCall to;
  std::int64_t half;    ///< pairs of a head that turn
  float direction;      ///< 1, or -1 for the inverse
  const float* cosine;  ///< [rows, half]
  const float* sine;
};
void ApplyRope(const RopeCall& call, void* stream);

enum class Gate : std::uint8_t { kSilu, kGeluTanh };
struct GatedCall {
  Element element;
  Gate gate;
  std::int64_t rows;
  std::int64_t width;   ///< of the gate, and of up
  const void* gate_up;  ///< [rows, 2 width]
  const void* dout;     ///< [rows, width]; nullptr: forward
  void* out;            ///< [rows, width], or the gradient [rows, 2 width]
  void* activated;      ///< backward: [rows, width], what the forward pass gives; or nullptr
};
void Gated(const GatedCall& call, void* stream);

/// Attention scores [rows, keys]; row r belongs to query r % queries.
struct SoftmaxCall {
  Element element;
  std::int64_t rows;
  std::int64_t keys;
  std::int64_t queries;
  std::int64_t own;     ///< the column that query 0 has for itself
  std::int64_t window;  ///< 0: none
  float scale;
  float cap;
  void* scores;
};
void CausalSoftmax(const SoftmaxCall& call, void* stream);

struct SoftmaxBackwardCall {
  Element element;
  std::int64_t rows;
  std::int64_t keys;
  float scale;
  const void* p;
  void* dp;
};
void SoftmaxBackward(const SoftmaxBackwardCall& call, void* stream);

struct SoftCapBackwardCall {
  Element element;
  std::int64_t count;
  float scale;
  float cap;
  const void* scores;
  void* dscores;
};
void SoftCapBackward(const SoftCapBackwardCall& call, void* stream);

struct CrossEntropyCall {
  Element element;
  std::int64_t rows;
  std::int64_t vocabulary;
  float cap;                    ///< 0: none
  const std::int64_t* targets;  ///< [rows]
  const float* scales;          ///< [rows]; nullptr: logits are left alone
  float* losses;                ///< [rows]
  float* hits;                  ///< [rows]: 1 where no logit is larger than the target's, else 0
  void* logits;                 ///< become their gradient
};
void CrossEntropyRows(const CrossEntropyCall& call, void* stream);

/// NF4 or FP4, see quantization/matrix.h. Tables are in host memory.
struct FourBitWeight {
  std::int64_t count;
  const std::uint8_t* codes;
  const float* values;  ///< 16
  const float* absmax;  ///< nullptr: quantised, too
  const std::uint8_t* absmax_codes;
  const float* nested_absmax;
  const float* map;  ///< 256
  float offset;
};
struct FourBitCall {
  Element element;
  FourBitWeight weight;
  void* out;
};
void DequantizeFourBit(const FourBitCall& call, void* stream);

struct Int8Call {
  Element element;
  std::int64_t rows;
  std::int64_t columns;
  const std::int8_t* codes;
  const float* absmax;  ///< [rows]
  void* out;
};
void DequantizeInt8(const Int8Call& call, void* stream);

/// What is added to each value of a product before it is rounded: scale * left right^T and a bias.
struct Addition {
  const void* left;           ///< [rows, rank]; nullptr: no low-rank product
  std::int64_t left_stride;   ///< from row to row
  const void* right;          ///< [columns, rank]
  std::int64_t right_stride;  ///< from column to column
  std::int64_t right_step;    ///< from one of the rank to the next
  std::int64_t rank;
  float scale;
  const void* bias;  ///< [columns]; nullptr: none
};

/// Products with weights as they are stored. Values of the weight are rounded to the element type
/// before the product, as those are that are dequantised first. Codes lie on kStoredStep bytes, and
/// rows of a weight are multiples of kStoredStep long.
inline constexpr std::int64_t kStoredStep = 32;

/// x [rows, in] times the transpose of a weight [out, in].
struct FewRowsCall {
  Element element;
  std::int64_t rows;  ///< kMostRows at most
  std::int64_t in;
  std::int64_t out;
  const void* x;  ///< on kFewRowsAlignment bytes
  Addition addition;
  void* y;
  std::int64_t y_stride;  ///< from row to row
};
inline constexpr std::int64_t kMostRows = 8;
inline constexpr std::int64_t kFewRowsAlignment = 32;
void MultiplyFourBit(const FewRowsCall& call, const FourBitWeight& weight, void* stream);
void MultiplyInt8(const FewRowsCall& call, const std::int8_t* codes, const float* absmax,
                  void* stream);

/// x [rows, depth] times the transpose of a weight [columns, depth] or, through it, times a weight
/// [depth, columns]: on matrix units, of 16-bit elements, in tiles whose part of the weight becomes
/// values on the way. Long sums are split among blocks, which write sums of parts to be added up.
struct TilesCall {
  Element element;  ///< kBfloat16 or kFloat16
  bool through;
  std::int64_t rows;
  std::int64_t depth;  ///< a multiple of kTilesStep
  std::int64_t columns;
  const void* x;          ///< on kTilesAlignment bytes
  std::int64_t x_stride;  ///< from row to row, a multiple of kTilesStep
  Addition addition;
  std::int64_t splits;    ///< of the sum
  float* partial;         ///< [splits, rows, columns], without the bias; nullptr: y is written
  void* y;                ///< with one split
  std::int64_t y_stride;  ///< from row to row
};
inline constexpr std::int64_t kTilesStep = 8;
inline constexpr std::int64_t kTilesAlignment = 16;
/// How many blocks should share a sum, by the shape alone: results do not depend on the device.
std::int64_t SplitsFor(std::int64_t rows, std::int64_t depth, std::int64_t columns);
void MultiplyFourBitTiles(const TilesCall& call, const FourBitWeight& weight, void* stream);
void MultiplyInt8Tiles(const TilesCall& call, const std::int8_t* codes, const float* absmax,
                       void* stream);

/// y = the sum of partial products, one after another, + bias.
struct PartialsCall {
  Element element;
  std::int64_t count;
  std::int64_t rows;
  std::int64_t columns;
  const float* partial;  ///< [count, rows, columns]
  const void* bias;      ///< [columns], or nullptr
  void* y;
  std::int64_t y_stride;  ///< from row to row
};
void AddPartials(const PartialsCall& call, void* stream);

/// What is the same for every element of an update, see optim/kinds.h.
struct AdamWFactors {
  float decay;
  float beta1;
  float beta2;
  float rest1;  ///< 1 - beta1
  float rest2;
  float step;
  float root_correction;
  float epsilon;
};
struct AdamWCall {
  AdamWFactors factors;
  std::int64_t count;
  const float* gradient;
  float* parameters;
  float* first;
  float* second;
};
void AdamW(const AdamWCall& call, void* stream);

/// A moment in blocks of 256: value = map[code] * maximum of the block.
struct BlockMoment {
  const float* map;  ///< 256, rising; in host memory
  std::uint8_t* codes;
  float* maxima;
};
struct AdamW8BitCall {
  AdamWFactors factors;
  std::int64_t count;  ///< elements; the last block may end beyond them
  const float* gradient;
  float* parameters;
  BlockMoment first;
  BlockMoment second;
};
void AdamW8Bit(const AdamW8BitCall& call, void* stream);

}  // namespace lathe::trainer::kernels::cuda
