#include "coordinator/resources/secret_fields.h"

#include <gtest/gtest.h>

#include "common/schema/configuration.h"

namespace lathe::resources {
namespace {

v1::JobConfiguration Read(const char* json) {
  return schema::FromJson(json).configuration;
}

TEST(SecretFields, TheRedactedTextStandsForWhatIsStored) {
  const auto stored =
      Read(R"({"integrations":{"wandb":{"apiKey":"one"},"huggingface":{"apiToken":"two"}}})");
  auto changed = Read(
      R"({"integrations":{"wandb":{"apiKey":"<redacted>","project":"p"},
                          "huggingface":{"apiToken":"new"}}})");
  KeepSecrets(stored, changed);
  EXPECT_EQ(changed.integrations().wandb().api_key(), "one");
  EXPECT_EQ(changed.integrations().wandb().project(), "p");
  EXPECT_EQ(changed.integrations().huggingface().api_token(), "new");
}

TEST(SecretFields, NothingIsKeptWhereNothingWas) {
  auto changed = Read(R"({"integrations":{"wandb":{"apiKey":"<redacted>"}}})");
  KeepSecrets({}, changed);
  EXPECT_FALSE(changed.integrations().wandb().has_api_key());
}

}  // namespace
}  // namespace lathe::resources
