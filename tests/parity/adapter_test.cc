// An adapter that lathe-trainer wrote, as PEFT reads it: tests/golden/demo_adapter holds the
// adapter, the logits that Python's peft computed with it, and the script that recorded them.

#include <gtest/gtest.h>

#include <cmath>

#include "common/base/temp_dir.h"
#include "tests/parity/support.h"

namespace lathe::parity {
namespace {

namespace fs = std::filesystem;

/// The largest distance between rows of `got` at `positions` and the reference rows.
double LargestDistance(const std::vector<double>& got, const std::vector<double>& positions,
                       const std::vector<double>& want) {
  const std::size_t vocabulary = want.size() / positions.size();
  double largest = 0;
  for (std::size_t row = 0; row < positions.size(); ++row) {
    const std::size_t start = static_cast<std::size_t>(positions[row]) * vocabulary;
    for (std::size_t token = 0; token < vocabulary; ++token) {
      largest = std::max(largest, std::abs(got[start + token] - want[row * vocabulary + token]));
    }
  }
  return largest;
}

TEST(DemoAdapterParity, LogitsAreThoseOfPeft) {
  const fs::path golden = Golden("demo_adapter");
  const auto reference = Open(golden / "reference.safetensors");
  const auto positions = Values(reference, "positions");
  const TempDir out = TempDir::Create().value();
  const fs::path base = out.path() / "base.safetensors";
  const fs::path adapted = out.path() / "adapted.safetensors";
  const fs::path input = golden / "input.safetensors";
  ASSERT_EQ(RunTrainer({"logits", DemoModel(), input, base}).code, 0);
  ASSERT_EQ(
      RunTrainer({"logits", DemoModel(), input, adapted, "--adapter", golden / "adapter"}).code, 0);
  const auto with_adapter = Values(Open(adapted), "logits");
  EXPECT_LT(LargestDistance(Values(Open(base), "logits"), positions, Values(reference, "base")),
            1e-3);
  EXPECT_LT(LargestDistance(with_adapter, positions, Values(reference, "adapted")), 1e-3);
  EXPECT_GT(LargestDistance(with_adapter, positions, Values(reference, "base")), 1.0)
      << "the adapter changes nothing";
}

}  // namespace
}  // namespace lathe::parity
