#include "common/schema/dialects.h"

#include <gmock/gmock.h>

#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

/// What the text becomes in the universal dialect, without errors.
std::string Universal(std::string_view text) {
  const Imported imported = Import(text);
  EXPECT_FALSE(HasErrors(imported.findings)) << text;
  return ToJson(imported.configuration);
}

std::vector<std::string> FindingsOf(std::string_view text) {
  return Brief(Import(text).findings);
}

/// "path given -> expected" of each loss.
std::vector<std::string> Losses(const v1::JobConfiguration& configuration, Dialect dialect) {
  std::vector<std::string> lines;
  for (const Finding& loss : Export(configuration, dialect).losses) {
    EXPECT_EQ(loss.code, "not_held");
    EXPECT_EQ(loss.severity, Severity::kWarning);
    lines.push_back(loss.path + " " + loss.given + " -> " + loss.expected);
  }
  return lines;
}

TEST(DialectsTest, TokensAreTheirNames) {
  for (const Dialect dialect : kDialects) {
    EXPECT_EQ(DialectOf(ToString(dialect)), dialect);
  }
  EXPECT_EQ(DialectOf("openai"), std::nullopt);
}

TEST(DialectsTest, ShapeSaysWhichDialectItIs) {
  const auto dialect = [](const char* text) { return Import(text).dialect; };
  EXPECT_EQ(dialect(R"({"n_epochs": 2})"), Dialect::kLegacyHyperparameters);
  EXPECT_EQ(dialect("lora_r: 8"), Dialect::kAdapterTrainingConfig);
  EXPECT_EQ(dialect("training: {lora_r: 8}"), Dialect::kSectioned);
  EXPECT_EQ(dialect("learningRate: 1e-4"), Dialect::kSimple);
  EXPECT_EQ(dialect("model: {baseModel: x}"), Dialect::kUniversal);
  EXPECT_EQ(dialect("model: {name: x}"), Dialect::kSectioned);
  EXPECT_EQ(dialect("seed: 7"), Dialect::kUniversal);
  EXPECT_EQ(dialect("{}"), Dialect::kUniversal);
  EXPECT_EQ(dialect("[1]"), Dialect::kUniversal);
  EXPECT_EQ(dialect("{\"n_epochs\": "), Dialect::kUniversal);
}

TEST(DialectsTest, SaysWhenTheShapeFitsTwo) {
  EXPECT_THAT(FindingsOf("batch_size: 8"), ElementsAre("warning  ambiguous_dialect"));
  EXPECT_THAT(AllFindings(Import("batch_size: 99")),
              Contains(AllOf(Field(&Finding::path, "schedule.batchSize"),
                             Field(&Finding::message, HasSubstr("`batch_size` in this file")))));
}

TEST(DialectsTest, AFlagDecidesOverADtypeAndSaysSo) {
  const char* text = R"({"model": {"name": "m", "torch_dtype": "float32"},
                         "training": {"bf16": true, "fp16": false}})";
  EXPECT_EQ(Universal(text), R"({"model":{"baseModel":"m","precision":"bf16"}})");
  EXPECT_THAT(FindingsOf(text), ElementsAre("warning model.torch_dtype not_held"));
  EXPECT_THAT(FindingsOf(R"({"model": {"name": "m"}, "training": {"bf16": true, "fp16": true}})"),
              ElementsAre("error training.fp16 exclusive"));
  EXPECT_THAT(FindingsOf(R"({"model": {"name": "m", "torch_dtype": "float16"},
                             "training": {"fp16": true}})"),
              IsEmpty());
}

TEST(DialectsTest, SectionedHasItsOwnRules) {
  EXPECT_THAT(FindingsOf("training: {use_lora: true}"),
              ElementsAre("error model.name required", "error training.lora_r required"));
  EXPECT_THAT(FindingsOf("model: {name: m, torch_dtype: float32}"),
              ElementsAre("warning model.torch_dtype much_memory"));
  EXPECT_THAT(FindingsOf("model: {name: m, torch_dtype: float32, device_map: cpu}"), IsEmpty());
  EXPECT_THAT(FindingsOf("model: {name: m}\ntraining: {use_lora: false}"), IsEmpty());
}

TEST(DialectsTest, LegacyDropoutHasItsOwnDefault) {
  EXPECT_EQ(Universal(R"({"method": "lora", "lora_rank": 4})"),
            R"({"method":{"type":"lora","loraConfig":{"rank":4,"dropout":0.1}}})");
  EXPECT_EQ(Universal(R"({"method": "prefix", "prefix_length": 9})"),
            R"({"method":{"type":"prefix","prefixLength":9}})");
  EXPECT_THAT(Export(Valid({"method.loraConfig.rank=4"}), Dialect::kLegacyHyperparameters).text,
              HasSubstr("\"lora_dropout\": 0\n"));
}

TEST(DialectsTest, AMultiplierIsOneOfTheDefault) {
  const char* text = R"({"n_epochs": "auto", "learning_rate_multiplier": 1.8})";
  EXPECT_THAT(Universal(text), HasSubstr(R"("learningRate":1.8e-05)"));
  EXPECT_THAT(FindingsOf(text), ElementsAre("warning learning_rate_multiplier converted"));
  EXPECT_THAT(Export(Import(text).configuration, Dialect::kLegacyHyperparameters).text,
              HasSubstr("\"learning_rate_multiplier\": 1.8,"));
}

TEST(DialectsTest, PreferenceDataMeansDpo) {
  EXPECT_EQ(Universal("dataset_type: preference\ndpo_beta: 0.2\ndevice: cuda:1"),
            R"({"datasets":{"type":"preference"},"objective":{"type":"dpo","dpo":{"beta":0.2}},)"
            R"("hardware":{"device":"cuda"}})");
  EXPECT_THAT(FindingsOf("lora_r: 4\ndevice: cuda:1"), ElementsAre("warning device not_held"));
}

TEST(DialectsTest, OptimizersThatAreNotQuiteHeldAreListed) {
  EXPECT_THAT(FindingsOf("model: {name: m}\ntraining: {optim: adamw_torch_fused}"), IsEmpty());
  EXPECT_THAT(FindingsOf("model: {name: m}\ntraining: {optim: paged_adamw_32bit}"),
              ElementsAre("warning training.optim not_held"));
  EXPECT_THAT(FindingsOf("model: {name: m}\ntraining: {optim: adamw_torhc}"),
              ElementsAre("error training.optim unknown_token"));
}

TEST(DialectsTest, AMixtureIsKeptInTheMetadata) {
  const char* text = "model: {name: m}\ndata: {strategy: hybrid}";
  EXPECT_THAT(Universal(text), HasSubstr(R"("strategies":["toolbench","teacher_mode",)"));
  const Exported again = Export(Import(text).configuration, Dialect::kSectioned);
  EXPECT_THAT(again.text, HasSubstr("\"strategy\": \"hybrid\""));
  EXPECT_THAT(again.losses, IsEmpty());
}

TEST(DialectsTest, AnOutputIsKeptInTheMetadata) {
  EXPECT_EQ(Universal("lora_r: 4\nfinal_loss: 0.25"),
            R"({"method":{"loraConfig":{"rank":4}},"metadata":{"final_loss":0.25}})");
}

TEST(DialectsTest, UnknownKeysHaveADidYouMean) {
  const auto message = [](const char* text) { return Import(text).findings.back().message; };
  EXPECT_THAT(message("{\"n_epochs\": 2, \"lora_rnk\": 2}"),
              HasSubstr("did you mean `lora_rank`?"));
  EXPECT_THAT(message("training: {lora_r: 2}\nmodel: {name: m}\nlearning_rate: 1"),
              HasSubstr("did you mean `training.learning_rate`?"));
  EXPECT_THAT(FindingsOf("n_epochs: 2\nlora_rank: 4\ntools: []"),
              ElementsAre("error tools unknown_key"));
  EXPECT_THAT(FindingsOf("model: {name: m}\ntraining: 3"),
              ElementsAre("error training wrong_type"));
}

TEST(DialectsTest, LossesAreWhatIsNotReadBack) {
  const auto qlora = Valid({"method.type=qlora", "method.loraConfig.dropout=0.05"});
  EXPECT_THAT(
      Losses(qlora, Dialect::kSimple),
      ElementsAre("model.baseModel \"tiny\" -> ", "datasets.trainingFileId \"sha256:aa\" -> ",
                  "method.type \"qlora\" -> \"lora\"", "method.loraConfig.dropout 0.05 -> 0"));
  EXPECT_THAT(Losses(qlora, Dialect::kUniversal), IsEmpty());
}

TEST(DialectsTest, SecretsStayUnseen) {
  const Exported exported = Export(Valid({"integrations.wandb.apiKey=k"}), Dialect::kUniversal);
  EXPECT_THAT(exported.text, HasSubstr("<redacted>"));
  const auto losses = Losses(Valid({"integrations.wandb.apiKey=k"}), Dialect::kSectioned);
  EXPECT_THAT(losses, Contains("integrations.wandb.apiKey \"<redacted>\" -> "));
}

}  // namespace
}  // namespace lathe::schema
