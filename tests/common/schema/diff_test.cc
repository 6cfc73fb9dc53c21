#include "common/schema/diff.h"

#include <gmock/gmock.h>

#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Lines(const std::vector<Difference>& differences) {
  std::vector<std::string> lines;
  for (const Difference& each : differences) {
    lines.push_back(each.path + ": " + each.a + (each.equal ? " = " : " | ") + each.b);
  }
  return lines;
}

TEST(DiffTest, EqualConfigurationsDifferInNothing) {
  const v1::JobConfiguration full =
      FromJson(FileText(SourceFolder() / "tests/golden/configurations/good/full.json"))
          .configuration;
  EXPECT_THAT(Compare(full, full), IsEmpty());
  EXPECT_GT(Compare(full, full, false).size(), 60U);
}

TEST(DiffTest, NamesValuesInTheOrderOfTheSchema) {
  const auto a = Valid({"schedule.epochs=2", "model.precision=bf16",
                        "method.loraConfig.rankPattern.q_proj=4", "seed=7"});
  const auto b = Valid({"schedule.epochs=3", "seed=7", "method.loraConfig.rankPattern.v_proj=8",
                        "optimizer.learningRate=1e-4"});
  EXPECT_THAT(
      Lines(Compare(a, b)),
      ElementsAre("model.precision: \"bf16\" | ", "method.loraConfig.rankPattern.q_proj: 4 | ",
                  "method.loraConfig.rankPattern.v_proj:  | 8", "schedule.epochs: 2 | 3",
                  "optimizer.learningRate:  | 0.0001"));
}

TEST(DiffTest, ShowsWhatIsEqualWhenAsked) {
  EXPECT_THAT(Lines(Compare(Valid({"seed=7"}), Valid({"seed=8"}), false)),
              ElementsAre("model.baseModel: \"tiny\" = \"tiny\"",
                          "datasets.trainingFileId: \"sha256:aa\" = \"sha256:aa\"", "seed: 7 | 8"));
}

TEST(DiffTest, SetsHaveNoOrder) {
  const auto a = Valid({"optimizations.enabled=flash_attention,sequence_packing"});
  const auto b = Valid({"optimizations.enabled=sequence_packing,flash_attention"});
  EXPECT_THAT(Compare(a, b), IsEmpty());
}

TEST(DiffTest, SecretsDifferUnseen) {
  const auto a = Valid({"integrations.wandb.apiKey=one"});
  const auto b = Valid({"integrations.wandb.apiKey=two"});
  EXPECT_THAT(Lines(Compare(a, b)),
              ElementsAre("integrations.wandb.apiKey: \"<redacted>\" | \"<redacted>\""));
}

TEST(DiffTest, SaysWhichSecretsNobodyCompared) {
  const auto kept = Valid({"integrations.wandb.apiKey=one"});
  const auto hidden = Valid({"integrations.wandb.apiKey=<redacted>"});
  for (const auto& differences : {Compare(hidden, hidden), Compare(kept, hidden)}) {
    ASSERT_EQ(differences.size(), 1U);
    EXPECT_TRUE(differences[0].not_compared);
  }
  const auto differences = Compare(hidden, Valid({}));
  ASSERT_EQ(differences.size(), 1U);
  EXPECT_FALSE(differences[0].not_compared);  // one has a secret and the other has none
  EXPECT_FALSE(Compare(kept, Valid({"integrations.wandb.apiKey=two"}))[0].not_compared);
}

TEST(DiffTest, LooksIntoToolsAndMetadata) {
  const auto a = Valid({R"(tools=[{"name":"x"},{"name":"y"}])", R"(metadata={"a":{"b":1}})"});
  const auto b = Valid({R"(tools=[{"name":"x"},{"name":"z"}])", R"(metadata={"a.b":1})"});
  EXPECT_THAT(Lines(Compare(a, b)), ElementsAre("tools[1].name: \"y\" | \"z\"",
                                                "metadata.a.b: 1 | ", "metadata.a\\.b:  | 1"));
}

}  // namespace
}  // namespace lathe::schema
