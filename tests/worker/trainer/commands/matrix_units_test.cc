// A whole bf16 run whose products, projections, attention and gradients matrix units compute: on
// processors without them by the machine code itself, emulated.

#include <gtest/gtest.h>

#include <fstream>

#include "common/base/child_process.h"
#include "common/base/temp_dir.h"
#include "tests/parity/support.h"
#include "tests/worker/trainer/kernels/amx_emulator.h"

namespace lathe::parity {
namespace {

using Json = nlohmann::json;

class MatrixUnitsRun : public testing::Test {
 protected:
  void SetUp() override {
    if (!trainer::kernels::CanEmulateMatrixUnits()) {
      GTEST_SKIP() << "matrix units are emulated on processors with AVX-512 and its bf16 products";
    }
    std::ofstream out(root() / "train.jsonl");
    for (int row = 0; row < 8; ++row) {
      Json ids = Json::array();
      for (int i = 0; i < 12 + 5 * row; ++i) ids.push_back((row * 31 + i * i * 7) % 500);
      out << Json{{"input_ids", ids}, {"labels", ids}}.dump() << "\n";
    }
  }

  const std::filesystem::path& root() const { return folder_.path(); }

  std::string WritePlan(const std::string& output) const {
    const Json configuration = {
        {"model", {{"precision", "bf16"}}},
        {"datasets", {{"format", "tokenized"}, {"trainSplit", 1}, {"shuffle", false}}},
        {"method", {{"type", "lora"}, {"loraConfig", {{"rank", 8}, {"alpha", 16}}}}},
        {"schedule", {{"maxSteps", 6}, {"batchSize", 4}, {"evaluations", 0}, {"checkpoints", 0}}},
        {"optimizer", {{"learningRate", 2e-3}}}};
    return WriteTinyPlan(root(), output, configuration);
  }

  std::vector<double> Losses(const std::string& output) const {
    return ReadLosses(root() / output / "events.jsonl");
  }

  std::vector<double> ByMatrixUnits(const std::string& threads) const {
    const std::string output = "units-" + threads;
    auto child = ChildProcess::Start(
        {.program = EMULATED_TRAINER,
         .arguments = {"run", WritePlan(output)},
         .environment = {{"OMP_WAIT_POLICY", "passive"}, {"OMP_NUM_THREADS", threads}},
         .working_directory = {},
         .standard_error = 2});
    EXPECT_TRUE(child.has_value());
    EXPECT_EQ(child->Wait().code, 0);
    return Losses(output);
  }

 private:
  TempDir folder_ = TempDir::Create().value();
};

TEST_F(MatrixUnitsRun, TrainsLikeOtherKernelsWhateverTheThreads) {
  const std::vector<double> losses = ByMatrixUnits("2");
  EXPECT_EQ(ByMatrixUnits("1"), losses);
  ASSERT_EQ(RunTrainer({"run", WritePlan("other")}).code, 0);
  const std::vector<double> others = Losses("other");
  ASSERT_EQ(losses.size(), 6U);
  ASSERT_EQ(others.size(), 6U);
  for (std::size_t i = 0; i < losses.size(); ++i) EXPECT_NEAR(losses[i], others[i], 2e-2) << i;
  EXPECT_LT(losses.back(), losses.front() - 0.1) << "it learns";
}

}  // namespace
}  // namespace lathe::parity
