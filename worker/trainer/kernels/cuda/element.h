#pragma once
// What kernels do with single values: number formats, activations, vectors in memory. Pure; the
// same on the device and on the host, where it is tested.

#include <cmath>
#include <cstring>

#include "worker/trainer/kernels/cuda/device_language.h"

namespace lathe::trainer::kernels::cuda {

/// Bits of a bf16 and of an fp16 number.
struct Bf16 {
  std::uint16_t bits;
};
struct Fp16 {
  std::uint16_t bits;
};

LATHE_HOST_DEVICE std::uint32_t BitsOf(float value) {
  std::uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}
LATHE_HOST_DEVICE float FromBits(std::uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

/// 2^exponent for -126 <= exponent <= 127.
LATHE_HOST_DEVICE float PowerOfTwo(int exponent) {
  return FromBits(static_cast<std::uint32_t>(exponent + 127) << 23);
}

LATHE_HOST_DEVICE float ToFloat(float value) {
  return value;
}
LATHE_HOST_DEVICE float ToFloat(Bf16 value) {
  return FromBits(static_cast<std::uint32_t>(value.bits) << 16);
}
/// Shifted to fp32's exponent and multiplied: subnormal numbers need no case of their own.
LATHE_HOST_DEVICE float ToFloat(Fp16 value) {
#if defined(__CUDA_ARCH__)
  return FromFp16Bits(value.bits);
#else
  const std::uint32_t sign = (value.bits & 0x8000U) << 16;
  const std::uint32_t rest = (value.bits & 0x7fffU) << 13;
  if (rest >= 0x0f800000U) return FromBits(sign | 0x7f800000U | (rest & 0x007fffffU));
  return FromBits(sign | BitsOf(FromBits(rest) * PowerOfTwo(112)));
#endif
}

/// Rounds to the nearest, halves to even, as torch does. Which bits a NaN gets is left open.
template <class T>
LATHE_HOST_DEVICE T FromFloat(float value);
template <>
LATHE_HOST_DEVICE float FromFloat<float>(float value) {
  return value;
}
template <>
LATHE_HOST_DEVICE Bf16 FromFloat<Bf16>(float value) {
#if defined(__CUDA_ARCH__)
  return {Bf16BitsOf(value)};
#else
  const std::uint32_t bits = BitsOf(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return {0x7fc0};
  return {static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
#endif
}
template <>
LATHE_HOST_DEVICE Fp16 FromFloat<Fp16>(float value) {
#if defined(__CUDA_ARCH__)
  return {Fp16BitsOf(value)};
#else
  const std::uint32_t bits = BitsOf(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return {static_cast<std::uint16_t>(sign | 0x7e00U)};
  if (magnitude >= 0x477ff000U) return {static_cast<std::uint16_t>(sign | 0x7c00U)};
  if (magnitude < 0x38800000U) {
    // Subnormal: the fp32 addition rounds to steps of 2^-24.
    const float shifted = FromBits(magnitude) + 0.5F;
    return {static_cast<std::uint16_t>(sign | (BitsOf(shifted) - 0x3f000000U))};
  }
  const std::uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U);
  return {static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13))};
#endif
}

/// a * b + c with two roundings, as the CPU's loops have it.
LATHE_HOST_DEVICE float MultiplyThenAdd(float a, float b, float c) {
#if defined(__CUDA_ARCH__)
  return __fadd_rn(__fmul_rn(a, b), c);
#else
  const float product = a * b;
  return product + c;
#endif
}

/// N values that travel together; 16 bytes make one memory access.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T values[N];
};
template <class T, int N>
LATHE_HOST_DEVICE Pack<T, N> LoadPack(const T* from) {
#if defined(__CUDA_ARCH__)
  return *reinterpret_cast<const Pack<T, N>*>(from);
#else
  Pack<T, N> pack;
  std::memcpy(&pack, from, sizeof(pack));
  return pack;
#endif
}
template <class T, int N>
LATHE_HOST_DEVICE void StorePack(const Pack<T, N>& pack, T* to) {
#if defined(__CUDA_ARCH__)
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
#else
  std::memcpy(to, &pack, sizeof(pack));
#endif
}

LATHE_HOST_DEVICE float Sigmoid(float x) {
  return 1.0F / (1.0F + expf(-x));
}

/// x -> activation(x) and its slope.
struct Silu {
  static LATHE_HOST_DEVICE float Value(float x) { return x * Sigmoid(x); }
  static LATHE_HOST_DEVICE float Slope(float x) {
    const float s = Sigmoid(x);
    return s * (1.0F + x * (1.0F - s));
  }
};
/// The tanh formula: x * sigmoid(2u), u = sqrt(2 / pi) * (x + 0.044715 x^3).
struct GeluTanh {
  static constexpr float kTwiceRoot = 1.5957691216057308F;
  static LATHE_HOST_DEVICE float Value(float x) {
    return x * Sigmoid(kTwiceRoot * x * (1.0F + 0.044715F * x * x));
  }
  static LATHE_HOST_DEVICE float Slope(float x) {
    const float s = Sigmoid(kTwiceRoot * x * (1.0F + 0.044715F * x * x));
    return s + x * s * (1.0F - s) * kTwiceRoot * (1.0F + 3 * 0.044715F * x * x);
  }
};

/// x times scale and, with a cap above 0, cap * tanh(x / cap); and the slope of the cap there.
struct Score {
  float scale;
  float cap;

  LATHE_HOST_DEVICE float Map(float x) const {
    const float scaled = x * scale;
    return cap > 0 ? cap * tanhf(scaled / cap) : scaled;
  }
  /// Of a mapped value.
  LATHE_HOST_DEVICE float Slope(float mapped) const {
    if (cap <= 0) return 1.0F;
    const float t = mapped / cap;
    return 1.0F - t * t;
  }
};

/// How many of `count` rising bounds lie below x; count is a power of two less one.
LATHE_HOST_DEVICE int CountBelow(const float* bounds, int count, float x) {
  int below = 0;
  for (int half = (count + 1) / 2; half > 0; half /= 2) {
    below += bounds[below + half - 1] < x ? half : 0;
  }
  return below;
}

}  // namespace lathe::trainer::kernels::cuda
