// Every engine's requests and findings for the configurations of tests/golden/providers, compared
// with what is committed. LATHE_UPDATE_GOLDEN=1 writes them anew.

#include "coordinator/providers/translate.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "common/base/file_io.h"
#include "common/schema/configuration.h"
#include "coordinator/providers/check.h"

namespace lathe::providers {
namespace {

namespace fs = std::filesystem;

fs::path Golden() {
  return fs::path(std::getenv("LATHE_SOURCE_DIR")) / "tests/golden/providers";
}

v1::JobConfiguration Read(const fs::path& file) {
  const schema::Parsed parsed = schema::FromJson(*ReadFile(file));
  EXPECT_TRUE(parsed.findings.empty()) << file << ": " << parsed.findings.front().message;
  // As it is shown to people.
  return schema::FromJson(schema::ToJson(parsed.configuration, schema::Secrets::kRedact))
      .configuration;
}

Json ToJson(const EngineRequest& request) {
  Json out = {{"name", request.name}, {"method", request.method}, {"path", request.path}};
  if (!request.headers.empty()) out["headers"] = request.headers;
  if (!request.body.is_null()) out["body"] = request.body;
  if (!request.form.empty()) out["form"] = request.form;
  if (!request.file_part.empty()) out["filePart"] = request.file_part;
  if (request.file_is_body) out["fileIsBody"] = true;
  return out;
}

Json ToJson(const Finding& finding) {
  return {{"path", finding.path},
          {"severity", ToString(finding.severity)},
          {"code", finding.code},
          {"message", finding.message}};
}

struct Case {
  std::string engine;
  std::string configuration;
};

class TranslateGoldenTest : public testing::TestWithParam<Case> {};

TEST_P(TranslateGoldenTest, RequestsAndFindings) {
  const Engine& engine = **FindEngine(GetParam().engine);
  const auto configuration =
      Read(Golden() / "configurations" / (GetParam().configuration + ".json"));
  Json actual;
  actual["findings"] = Json::array();
  for (const Finding& finding : CheckEngine(engine, configuration)) {
    actual["findings"].push_back(ToJson(finding));
  }
  actual["requests"] = Json::array();
  for (const EngineRequest& request : Translate(engine, configuration)) {
    actual["requests"].push_back(ToJson(request));
  }
  const std::string text = actual.dump(2) + "\n";
  const fs::path file = Golden() / (GetParam().engine + "." + GetParam().configuration + ".json");
  if (std::getenv("LATHE_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(WriteFileAtomically(file, text));
    return;
  }
  const auto expected = ReadFile(file);
  ASSERT_TRUE(expected) << file;
  EXPECT_EQ(text, *expected) << "LATHE_UPDATE_GOLDEN=1 writes it anew; then read the difference";
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const Engine& engine : Engines()) {
    for (const char* configuration : {"sft", "dpo", "everything"}) {
      cases.push_back({engine.id, configuration});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, TranslateGoldenTest, testing::ValuesIn(Cases()), [](const auto& one) {
  return one.param.engine + "_" + one.param.configuration;
});

TEST(TranslateTest, SecretsStandOnlyWhereTheEngineWantsThem) {
  v1::JobConfiguration configuration = Read(Golden() / "configurations/everything.json");
  configuration.mutable_integrations()->mutable_wandb()->set_api_key("hunter2");
  for (const Engine& engine : Engines()) {
    for (const EngineRequest& request : Translate(engine, configuration)) {
      const bool wanted = engine.is_cluster() || engine.id == "together" ||
                          engine.id == "fireworks" || engine.id == "mistral";
      EXPECT_TRUE(wanted || request.body.dump().find("hunter2") == std::string::npos) << engine.id;
    }
  }
}

TEST(TranslateTest, PlaceholdersInPathsAreEncoded) {
  EXPECT_EQ(FillPath("/v1/jobs/{job_id}/events", {{"job_id", "a/../b?c"}}),
            "/v1/jobs/a%2F..%2Fb%3Fc/events");
  EXPECT_EQ(FillPath("/v1/{unknown}", {}), "/v1/{unknown}");
  EXPECT_EQ(FillPath("{upload_url}", {{"upload_url", "https://x/y?z=1"}}), "https://x/y?z=1");
  EXPECT_EQ(Fill("{a}-{b}{", {{"a", "{b}"}, {"b", "2"}}), "{b}-2{");
}

}  // namespace
}  // namespace lathe::providers
