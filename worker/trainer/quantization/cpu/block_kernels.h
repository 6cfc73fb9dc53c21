#pragma once
// The loops of 4-bit and int8 quantisation over a run of elements. The same source is compiled for
// three instruction sets; the best one that the machine has is chosen once a process, and all give
// the same bits. Pure functions, no allocation, no threads: callers divide a matrix among threads.

#include <cstdint>

namespace lathe::trainer::quantization {

struct BlockKernels {
  /// Codes of n elements in blocks of 64, the last one shorter: writes a scale for each block and
  /// (n + 1) / 2 bytes. thresholds[15] and order[16] as in FourBitTable.
  void (*quantize_4bit)(const float* x, std::int64_t n, const float* thresholds,
                        const std::uint8_t* order, float* absmax, std::uint8_t* packed);
  /// out[i] = values[code i] * absmax[i / 64], to fp32 and to bf16 bits.
  void (*dequantize_4bit)(const std::uint8_t* packed, const float* absmax, const float* values,
                          float* out, std::int64_t n);
  void (*dequantize_4bit_bf16)(const std::uint8_t* packed, const float* absmax, const float* values,
                               std::uint16_t* out, std::int64_t n);
  /// codes = rint(x * ((1 / max|x|) * 127)); returns max|x|. All 0 where that is 0 or not finite.
  float (*quantize_int8)(const float* x, std::int64_t n, std::int8_t* codes);
  /// out[i] = codes[i] * scale.
  void (*dequantize_int8)(const std::int8_t* codes, float scale, float* out, std::int64_t n);
  void (*dequantize_int8_bf16)(const std::int8_t* codes, float scale, std::uint16_t* out,
                               std::int64_t n);
};

/// The best kernels for this machine.
const BlockKernels& Kernels();

/// "baseline", "avx2" or "avx512", for tests; nullptr where the machine lacks it.
const BlockKernels* KernelsOf(const char* instruction_set);

}  // namespace lathe::trainer::quantization
