#include "common/secrets/sealed_configuration.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include "common/schema/configuration.h"
#include "common/schema/parameters.h"

namespace lathe::secrets {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr char kWandbKey[] = "wandb-hunter2";
constexpr char kHubToken[] = "hf_correct-horse";

Keyring MakeKeyring(const std::string& text) {
  return *Keyring::Parse(text);
}

class SealedConfigurationTest : public testing::Test {
 protected:
  SealedConfigurationTest() {
    configuration_.mutable_model()->set_base_model("tiny");
    configuration_.mutable_integrations()->mutable_wandb()->set_api_key(kWandbKey);
    configuration_.mutable_integrations()->mutable_huggingface()->set_api_token(kHubToken);
  }

  v1::JobConfiguration Sealed(const std::string& record = "job:1") {
    return *Seal(configuration_, record, &keyring_);
  }

  v1::JobConfiguration configuration_;
  Keyring keyring_ = MakeKeyring("k1 " + std::string(64, '1'));
};

TEST_F(SealedConfigurationTest, SealedHasNoSecretAndOpensToTheSame) {
  const v1::JobConfiguration sealed = Sealed();
  const std::string stored = schema::ToJson(sealed);
  EXPECT_THAT(stored, Not(HasSubstr("hunter2")));
  EXPECT_THAT(stored, Not(HasSubstr("correct-horse")));
  EXPECT_THAT(sealed.integrations().wandb().api_key(), testing::StartsWith("lathe-sealed:v1:k1:"));
  EXPECT_EQ(sealed.model().base_model(), "tiny");

  const schema::Parsed read = schema::FromJson(stored);
  ASSERT_THAT(read.findings, SizeIs(0)) << "what is stored stays a configuration";
  const auto opened = Open(read.configuration, "job:1", &keyring_);
  ASSERT_TRUE(opened) << ToString(opened.error());
  EXPECT_TRUE(MessageDifferencer::Equals(*opened, configuration_));
}

// A parameter that is marked secret later must be sealed without anybody thinking of it.
TEST_F(SealedConfigurationTest, SealsEveryParameterMarkedSecret) {
  v1::JobConfiguration all;
  int secrets = 0;
  for (const schema::Parameter& parameter : schema::ParameterPaths()) {
    if (!parameter.spec->secret()) continue;
    ASSERT_TRUE(schema::Set(all, parameter.path + "=plaintext-of-it")) << parameter.path;
    ++secrets;
  }
  ASSERT_GE(secrets, 2);
  EXPECT_TRUE(HasSecrets(all));
  EXPECT_THAT(schema::ToJson(*Seal(all, "r", &keyring_)), Not(HasSubstr("plaintext-of-it")));
}

TEST_F(SealedConfigurationTest, SealingTwiceGivesOtherBytes) {
  EXPECT_NE(Sealed().integrations().wandb().api_key(), Sealed().integrations().wandb().api_key());
}

TEST_F(SealedConfigurationTest, DoesNotOpenElsewhere) {
  v1::JobConfiguration sealed = Sealed();
  EXPECT_EQ(Open(sealed, "job:2", &keyring_).error().code, ErrorCode::kDataLoss);

  sealed.mutable_integrations()->mutable_huggingface()->set_api_token(
      sealed.integrations().wandb().api_key());
  const auto swapped = Open(sealed, "job:1", &keyring_);
  ASSERT_FALSE(swapped);
  EXPECT_EQ(swapped.error().code, ErrorCode::kDataLoss);
  EXPECT_THAT(swapped.error().message, HasSubstr("integrations.huggingface.apiToken"));
}

TEST_F(SealedConfigurationTest, EveryChangedByteIsNoticed) {
  const v1::JobConfiguration sealed = Sealed();
  const std::string value = sealed.integrations().wandb().api_key();
  for (std::size_t i = 0; i < value.size(); ++i) {
    std::string changed = value;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    v1::JobConfiguration damaged = sealed;
    damaged.mutable_integrations()->mutable_wandb()->set_api_key(changed);
    const auto opened = Open(damaged, "job:1", &keyring_);
    // Without its prefix a value is not sealed and stays what it is: no secret comes out either.
    if (opened) {
      EXPECT_EQ(opened->integrations().wandb().api_key(), changed) << i;
      EXPECT_LT(i, std::string_view("lathe-sealed:v1:").size());
    }
  }
  for (const char* text : {"lathe-sealed:v1:", "lathe-sealed:v1:k1", "lathe-sealed:v1:k1:",
                           "lathe-sealed:v1:k1:AAAA", "lathe-sealed:v1:k1:A==="}) {
    v1::JobConfiguration damaged;
    damaged.mutable_integrations()->mutable_wandb()->set_api_key(text);
    EXPECT_EQ(Open(damaged, "job:1", &keyring_).error().code, ErrorCode::kDataLoss) << text;
  }
}

TEST_F(SealedConfigurationTest, OldKeysOpenAndNewOnesSeal) {
  const v1::JobConfiguration old = Sealed();
  const Keyring rotated =
      MakeKeyring("k2 " + std::string(64, '2') + "\nk1 " + std::string(64, '1'));
  EXPECT_TRUE(Open(old, "job:1", &rotated));
  EXPECT_THAT(Seal(configuration_, "job:1", &rotated)->integrations().wandb().api_key(),
              HasSubstr(":k2:"));

  const Keyring only_new = MakeKeyring("k2 " + std::string(64, '2'));
  const auto lost = Open(old, "job:1", &only_new);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(lost.error().message, HasSubstr("key k1"));
  EXPECT_EQ(Open(old, "job:1", nullptr).error().code, ErrorCode::kFailedPrecondition);
  // An id that now names another key.
  const Keyring reused = MakeKeyring("k1 " + std::string(64, '3'));
  EXPECT_EQ(Open(old, "job:1", &reused).error().code, ErrorCode::kDataLoss);
}

TEST_F(SealedConfigurationTest, WithoutAKeyOnlySecretsAreRefused) {
  const auto refused = Seal(configuration_, "job:1", nullptr);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kFailedPrecondition);
  ASSERT_THAT(refused.error().findings, SizeIs(2));
  EXPECT_EQ(refused.error().findings[0].path, "integrations.wandb.apiKey");
  EXPECT_THAT(refused.error().hint, HasSubstr("secrets_key_file"));
  EXPECT_THAT(ToString(refused.error()), Not(HasSubstr("hunter2")));

  configuration_.mutable_integrations()->mutable_wandb()->set_api_key("");
  configuration_.mutable_integrations()->mutable_huggingface()->clear_api_token();
  const auto plain = Seal(configuration_, "job:1", nullptr);
  ASSERT_TRUE(plain);
  EXPECT_FALSE(HasSecrets(*plain)) << "an empty secret is none";
  EXPECT_TRUE(Open(*plain, "job:1", nullptr));
}

TEST_F(SealedConfigurationTest, RefusesWhatStandsInASecretsPlaceWhenShown) {
  const schema::Parsed shown =
      schema::FromJson(schema::ToJson(configuration_, schema::Secrets::kRedact));
  const auto sealed = Seal(shown.configuration, "job:1", &keyring_);
  ASSERT_FALSE(sealed);
  EXPECT_EQ(sealed.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(sealed.error().findings, SizeIs(2));
}

TEST_F(SealedConfigurationTest, ASecretThatLooksSealedIsSealedAllTheSame) {
  configuration_.mutable_integrations()->mutable_wandb()->set_api_key("lathe-sealed:v1:k1:AAAA");
  EXPECT_TRUE(MessageDifferencer::Equals(*Open(Sealed(), "job:1", &keyring_), configuration_));
}

TEST_F(SealedConfigurationTest, DropsEverySecretAndNothingElse) {
  for (v1::JobConfiguration configuration : {Sealed(), *Open(Sealed(), "job:1", &keyring_)}) {
    ASSERT_TRUE(HasSecrets(configuration));
    EXPECT_TRUE(DropSecrets(configuration));
    EXPECT_FALSE(HasSecrets(configuration));
    EXPECT_EQ(configuration.model().base_model(), Sealed().model().base_model());
    EXPECT_FALSE(DropSecrets(configuration));
  }
}

TEST_F(SealedConfigurationTest, FingerprintsAreEqualForEqualSecretsOnly) {
  const std::string print = Fingerprint(configuration_, &keyring_);
  EXPECT_EQ(Fingerprint(configuration_, &keyring_), print);
  EXPECT_THAT(print, SizeIs(64));
  configuration_.mutable_model()->set_base_model("other");
  EXPECT_EQ(Fingerprint(configuration_, &keyring_), print) << "of secrets alone";
  configuration_.mutable_integrations()->mutable_wandb()->set_api_key("another");
  EXPECT_NE(Fingerprint(configuration_, &keyring_), print);
  EXPECT_EQ(Fingerprint(v1::JobConfiguration(), &keyring_), "");
  EXPECT_EQ(Fingerprint(configuration_, nullptr), "");
}

}  // namespace
}  // namespace lathe::secrets
