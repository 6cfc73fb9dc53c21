#pragma once
// Low-rank products of the passes, as launch.h has the other kernels: projections of rows to few
// columns, and gradients of narrow matrices. Values are bf16 or fp16, sums fp32, in an order that
// follows from the shapes alone. Every row and column count is taken; what is called wide lies in
// pieces of kAccessBytes: its pointer on them, its stride and columns multiples of them. C++17.

#include "worker/trainer/kernels/cuda/launch.h"

namespace lathe::trainer::kernels::cuda {

/// What one call takes at most; and columns of what is called narrow, at most.
inline constexpr int kMostParts = 16;
inline constexpr std::int64_t kMostNarrow = 64;

/// 16-bit values, rows contiguous.
struct MatrixView {
  const void* data;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t stride;  ///< from row to row
};

/// z[:, column ...] = scale * x weight^T.
struct ProjectPart {
  MatrixView x;       ///< [M, K], wide
  MatrixView weight;  ///< [R, K], or [K, R] as the call has it; R is narrow
  float scale;
  std::int64_t column;  ///< rises from part to part
};
struct ProjectCall {
  Element element;  ///< not fp32
  bool transposed;  ///< whether weights lie as [K, R]
  int count;
  ProjectPart parts[kMostParts];
  std::int64_t rows;   ///< M
  std::int64_t width;  ///< of z: all R together
  void* z;             ///< [M, width]
  float* workspace;    ///< as large as ProjectWorkspace says
};
/// In floats; 0: none.
std::int64_t ProjectWorkspace(const ProjectCall& call);
void Project(const ProjectCall& call, void* stream);

/// gradient [R, N] += scale * narrow^T wide.
struct OuterPart {
  MatrixView narrow;  ///< [M, R]
  MatrixView wide;    ///< [M, N]
  float scale;
  float* gradient;
  std::int64_t row_stride;
  std::int64_t column_stride;
};
struct OuterCall {
  Element element;  ///< not fp32
  int count;
  OuterPart parts[kMostParts];  ///< gradients do not overlap
  std::int64_t rows;            ///< M
  float* workspace;             ///< as large as OuterWorkspace says
};
/// In floats.
std::int64_t OuterWorkspace(const OuterCall& call);
void AddOuterProducts(const OuterCall& call, void* stream);

}  // namespace lathe::trainer::kernels::cuda
