// Quantised matrices against what bitsandbytes made of the same values: see make_reference.py in
// tests/golden/quantization.

#include "worker/trainer/quantization/matrix.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tests/parity/support.h"
#include "worker/trainer/formats/dequantize.h"

namespace lathe::trainer::quantization {
namespace {

struct Case {
  std::string name;  ///< in the golden file
  QuantizationSettings settings;
};

const formats::Safetensors& Reference() {
  static const auto file = parity::Open(parity::Golden("quantization/quantised.safetensors"));
  return file;
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const formats::TensorInfo& tensor : Reference().tensors()) {
    if (!tensor.name.ends_with(".codes")) continue;
    const std::string name = tensor.name.substr(0, tensor.name.find('.'));
    const auto type = name.starts_with("nf4")   ? QuantizationType::kNf4
                      : name.starts_with("fp4") ? QuantizationType::kFp4
                                                : QuantizationType::kInt8;
    cases.push_back({name, {type, name.ends_with("_double")}});
  }
  return cases;
}

const formats::TensorInfo& Input(const std::string& name) {
  const std::size_t begin = name.find('_') + 1;
  return *Reference().Find(name.substr(begin, name.find('_', begin) - begin) + ".input");
}

QuantizedMatrix QuantizeCase(const Case& given) {
  const formats::TensorInfo& input = Input(given.name);
  const auto read = [&](std::int64_t begin, std::int64_t end, std::span<float> out) {
    return formats::DequantizeRows(input, {begin, end}, out);
  };
  return Quantize(given.settings, input.shape[0], input.shape[1], read).value();
}

void ExpectSameBytes(const at::Tensor& got, const std::string& name) {
  const formats::TensorInfo* want = Reference().Find(name);
  ASSERT_EQ(got.defined(), want != nullptr) << name;
  if (want == nullptr) return;
  ASSERT_EQ(got.nbytes(), want->data.size()) << name;
  EXPECT_EQ(std::memcmp(got.data_ptr(), want->data.data(), got.nbytes()), 0) << name;
}

TEST(QuantizedMatrix, EqualsBitsandbytesBitForBit) {
  const auto cases = Cases();
  ASSERT_EQ(cases.size(), 21U);
  for (const Case& given : cases) {
    const QuantizedMatrix matrix = QuantizeCase(given);
    ExpectSameBytes(matrix.codes, given.name + ".codes");
    ExpectSameBytes(matrix.absmax, given.name + ".absmax");
    ExpectSameBytes(matrix.absmax_codes, given.name + ".absmax_codes");
    ExpectSameBytes(matrix.nested_absmax, given.name + ".nested_absmax");
    if (given.settings.double_quantization) {
      EXPECT_EQ(static_cast<double>(matrix.offset),
                parity::Values(Reference(), given.name + ".offset")[0]);
    }
    at::Tensor values = at::empty({matrix.rows, matrix.columns}, at::kFloat);
    Dequantize(matrix, values);
    ExpectSameBytes(values, given.name + ".dequantized");
  }
}

TEST(QuantizedMatrix, ShortTypesAreTheRoundedValue) {
  for (const Case& given : Cases()) {
    const QuantizedMatrix matrix = QuantizeCase(given);
    at::Tensor wide = at::empty({matrix.rows, matrix.columns}, at::kFloat);
    at::Tensor narrow = at::empty({matrix.rows, matrix.columns}, at::kBFloat16);
    Dequantize(matrix, wide);
    Dequantize(matrix, narrow);
    EXPECT_TRUE(wide.to(at::kBFloat16).equal(narrow)) << given.name;
    at::Tensor half = at::empty({matrix.rows, matrix.columns}, at::kHalf);
    Dequantize(matrix, half);
    EXPECT_TRUE(wide.to(at::kHalf).equal(half)) << given.name;
  }
}

/// Larger than what a thread reads at a time, of a width that no block divides.
QuantizedMatrix Large(const QuantizationSettings& settings) {
  const auto read = [](std::int64_t begin, std::int64_t end, std::span<float> out) -> Status {
    for (std::int64_t i = begin * 129; i < end * 129; ++i) {
      out[static_cast<std::size_t>(i - begin * 129)] =
          static_cast<float>((i * 7919) % 10007 - 5003) * 1e-4F;
    }
    return {};
  };
  return Quantize(settings, 3001, 129, read).value();
}

TEST(QuantizedMatrix, DoesNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  for (const auto type :
       {QuantizationType::kNf4, QuantizationType::kFp4, QuantizationType::kInt8}) {
    at::set_num_threads(1);
    const QuantizedMatrix one = Large({.type = type});
    at::set_num_threads(3);
    const QuantizedMatrix three = Large({.type = type});
    EXPECT_TRUE(one.codes.equal(three.codes));
    EXPECT_EQ(one.offset, three.offset);
    for (const auto part : {&QuantizedMatrix::absmax, &QuantizedMatrix::absmax_codes}) {
      ASSERT_EQ((one.*part).defined(), (three.*part).defined());
      EXPECT_TRUE(!(one.*part).defined() || (one.*part).equal(three.*part));
    }
  }
  at::set_num_threads(threads);
}

TEST(QuantizedMatrix, TakesTheBytesThatItShould) {
  const std::int64_t n = 3001 * 129;
  const std::int64_t blocks = (n + 63) / 64;
  EXPECT_EQ(Large({QuantizationType::kNf4, false}).Bytes(), (n + 1) / 2 + 4 * blocks);
  EXPECT_EQ(Large({QuantizationType::kNf4, true}).Bytes(),
            (n + 1) / 2 + blocks + 4 * ((blocks + 255) / 256));
  EXPECT_EQ(Large({QuantizationType::kInt8}).Bytes(), n + 4 * 3001);
}

TEST(QuantizedMatrix, AReadersErrorIsTheResult) {
  const auto read = [](std::int64_t, std::int64_t, std::span<float>) -> Status {
    return Failure(ErrorCode::kDataLoss, "the file ends");
  };
  const auto matrix = Quantize({}, 4, 64, read);
  ASSERT_FALSE(matrix.has_value());
  EXPECT_EQ(matrix.error().message, "the file ends");
}

}  // namespace
}  // namespace lathe::trainer::quantization
