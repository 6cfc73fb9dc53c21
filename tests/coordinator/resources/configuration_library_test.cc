#include "common/schema/parameters.h"
#include "tests/coordinator/resources/library_fixture.h"

namespace lathe::resources {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kWithSecret[] =
    R"({"model":{"baseModel":"tiny"},"integrations":{"wandb":{"apiKey":"hunter2"}}})";

template <class T>
ErrorCode CodeOf(const Result<T>& result) {
  EXPECT_FALSE(result);
  return result ? ErrorCode::kInternal : result.error().code;
}

TEST_F(LibraryTest, KeepsWhatIsSaved) {
  SaveRequest request = Request("my config");
  request.fields.set_description("words");
  request.fields.set_template_("lora_quickstart");
  const auto saved = MustCreate(ann_, std::move(request));
  EXPECT_EQ(saved.owner(), "ann");
  EXPECT_EQ(saved.etag(), "1");
  EXPECT_TRUE(saved.validated());
  EXPECT_EQ(saved.method(), "qlora");
  EXPECT_EQ(saved.base_model(), "tiny");
  EXPECT_EQ(saved.schema_version(), static_cast<std::uint32_t>(schema::kSchemaVersion));
  EXPECT_EQ(saved.create_time().seconds(), 1'800'000'000);
  EXPECT_FALSE(saved.configuration().has_seed()) << "what was not set stays not set";
  const auto read = library_.Get(ann_, Name("my config"));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->SerializeAsString(), saved.SerializeAsString());
}

TEST_F(LibraryTest, NamesAreUniqueToTheirOwner) {
  MustCreate(ann_, Request("a"));
  const auto again = library_.Create(ann_, Request("a"));
  EXPECT_EQ(CodeOf(again), ErrorCode::kAlreadyExists);
  EXPECT_THAT(again.error().message, HasSubstr("ann"));
  EXPECT_EQ(MustCreate(bob_, Request("a")).owner(), "bob");
}

TEST_F(LibraryTest, RefusesFieldsThatCannotBeKept) {
  SaveRequest request = Request("a/b");
  request.fields.set_template_("lora_quikstart");
  request.fields.set_project("theirs");
  request.fields.set_description(std::string(5000, 'd'));
  const auto refused = library_.Create(ann_, std::move(request));
  EXPECT_EQ(CodeOf(refused), ErrorCode::kInvalidArgument);
  std::vector<std::string> paths;
  for (const Finding& finding : refused.error().findings) paths.push_back(finding.path);
  EXPECT_THAT(paths, ::testing::IsSupersetOf({"name", "description", "template", "project"}));
  EXPECT_THAT(refused.error().findings[2].message, HasSubstr("lora_quickstart"));
}

TEST_F(LibraryTest, SavesWhatIsWrongUnlessTold) {
  const std::string wrong = R"({"model":{"baseModel":"tiny"},"schedule":{"epochs":1000}})";
  SaveRequest strict = Request("a", wrong);
  strict.require_valid = true;
  EXPECT_EQ(CodeOf(library_.Create(ann_, std::move(strict))), ErrorCode::kInvalidArgument);
  const auto saved = MustCreate(ann_, Request("a", wrong));
  EXPECT_FALSE(saved.validated());
  EXPECT_EQ(saved.error_count(), 1U);
  EXPECT_EQ(saved.findings(0).path(), "schedule.epochs");
  EXPECT_EQ(saved.configuration().schedule().epochs(), 1000);
}

TEST_F(LibraryTest, RefusesWhatCannotBeRead) {
  EXPECT_EQ(CodeOf(library_.Create(ann_, Request("a", R"({"model":{"baseModell":"x"}})"))),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(library_.Get(ann_, Name("a"))), ErrorCode::kNotFound);
}

TEST_F(LibraryTest, ValidateOnlyStoresNothing) {
  SaveRequest request = Request("a");
  request.validate_only = true;
  EXPECT_EQ(MustCreate(ann_, std::move(request)).method(), "qlora");
  EXPECT_EQ(CodeOf(library_.Get(ann_, Name("a"))), ErrorCode::kNotFound);
}

TEST_F(LibraryTest, ARetryGivesTheFirstAnswer) {
  SaveRequest request = Request("a", kWithSecret);
  request.request_id = "r";
  const auto first = MustCreate(ann_, request);
  clock_.Advance(std::chrono::seconds(5));
  EXPECT_EQ(MustCreate(ann_, request).SerializeAsString(), first.SerializeAsString());
  request.fields.set_description("other");
  EXPECT_EQ(CodeOf(library_.Create(ann_, request)), ErrorCode::kAlreadyExists);
  EXPECT_EQ(MustCreate(bob_, request).owner(), "bob") << "request ids are one's own";
}

TEST_F(LibraryTest, OthersDoNotSeeWhatIsPrivate) {
  MustCreate(ann_, Request("a"));
  EXPECT_EQ(CodeOf(library_.Get(bob_, Name("a", "ann"))), ErrorCode::kNotFound);
  EXPECT_TRUE(library_.Get(service_, Name("a", "ann")));
  SaveRequest change = Request("a");
  change.fields.set_owner("ann");
  EXPECT_EQ(CodeOf(library_.Update(bob_, std::move(change))), ErrorCode::kNotFound);
  v1::CopySavedConfigurationRequest copy;
  *copy.mutable_id() = Name("a", "ann");
  copy.set_name("mine");
  EXPECT_EQ(CodeOf(library_.Copy(bob_, copy)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(library_.GetForUse(bob_, Name("a", "ann"))), ErrorCode::kNotFound);
}

TEST_F(LibraryTest, SharedOnesCanBeSeenAndNotChanged) {
  SaveRequest request = Request("a");
  request.fields.set_project("default");
  MustCreate(ann_, std::move(request));
  EXPECT_TRUE(library_.Get(bob_, Name("a", "ann")));
  EXPECT_FALSE(library_.Get({"eve", {}, false}, Name("a", "ann"))) << "no member";
  SaveRequest change = Request("a");
  change.fields.set_owner("ann");
  EXPECT_EQ(CodeOf(library_.Update(bob_, std::move(change))), ErrorCode::kPermissionDenied);
  v1::DeleteSavedConfigurationRequest remove;
  *remove.mutable_id() = Name("a", "ann");
  EXPECT_EQ(library_.Delete(bob_, remove).error().code, ErrorCode::kPermissionDenied);
  EXPECT_TRUE(library_.Delete(service_, remove));
}

TEST_F(LibraryTest, AnOldEtagIsAConflictThatNamesBoth) {
  MustCreate(ann_, Request("a"));
  SaveRequest change = Request("a", R"({"model":{"baseModel":"large"}})");
  change.fields.set_etag("1");
  clock_.Advance(std::chrono::seconds(5));
  const auto changed = library_.Update(ann_, change);
  ASSERT_TRUE(changed) << ToString(changed.error());
  EXPECT_EQ(changed->etag(), "2");
  EXPECT_EQ(changed->base_model(), "large");
  EXPECT_EQ(changed->create_time().seconds() + 5, changed->update_time().seconds());
  const auto conflict = library_.Update(ann_, change);
  EXPECT_EQ(CodeOf(conflict), ErrorCode::kAborted);
  EXPECT_THAT(conflict.error().message, HasSubstr("etag 1"));
  EXPECT_THAT(conflict.error().message, HasSubstr("2 is there"));
  change.fields.clear_etag();
  EXPECT_EQ(library_.Update(ann_, change)->etag(), "3") << "without an etag it overwrites";
  v1::DeleteSavedConfigurationRequest remove;
  *remove.mutable_id() = Name("a");
  remove.set_etag("2");
  EXPECT_EQ(library_.Delete(ann_, remove).error().code, ErrorCode::kAborted);
  remove.set_etag("3");
  EXPECT_TRUE(library_.Delete(ann_, remove));
  EXPECT_EQ(CodeOf(library_.Update(ann_, change)), ErrorCode::kNotFound);
}

TEST_F(LibraryTest, ARetriedUpdateIsMadeOnce) {
  MustCreate(ann_, Request("a"));
  SaveRequest change = Request("a", R"({"model":{"baseModel":"large"}})");
  change.fields.set_etag("1");
  change.request_id = "r";
  EXPECT_EQ(library_.Update(ann_, change)->etag(), "2");
  EXPECT_EQ(library_.Update(ann_, change)->etag(), "2");
}

TEST_F(LibraryTest, SecretsAreSealedAndNeverAnswered) {
  const auto saved = MustCreate(ann_, Request("a", kWithSecret));
  EXPECT_EQ(saved.configuration().integrations().wandb().api_key(), schema::kRedacted);
  EXPECT_THAT(library_.Get(ann_, Name("a"))->SerializeAsString(), Not(HasSubstr("hunter2")));
  const auto stored = store_->ReadResource({"saved_configuration", "ann/a"});
  ASSERT_TRUE(stored && *stored);
  EXPECT_THAT((*stored)->body, Not(HasSubstr("hunter2")));
  EXPECT_THAT((*stored)->body, HasSubstr("lathe-sealed"));
  EXPECT_EQ(library_.GetForUse(ann_, Name("a"))->configuration.integrations().wandb().api_key(),
            "hunter2");
}

TEST_F(LibraryTest, ARedactedSecretInAnUpdateLeavesTheStoredOne) {
  MustCreate(ann_, Request("a", kWithSecret));
  SaveRequest change = Request("a");
  change.content.configuration = library_.Get(ann_, Name("a"))->configuration();
  change.content.configuration.set_seed(5);
  const auto changed = library_.Update(ann_, change);
  ASSERT_TRUE(changed) << ToString(changed.error());
  EXPECT_TRUE(changed->validated());
  EXPECT_EQ(library_.GetForUse(ann_, Name("a"))->configuration.integrations().wandb().api_key(),
            "hunter2");
  EXPECT_EQ(library_.GetForUse(ann_, Name("a"))->configuration.seed(), 5);
}

TEST_F(LibraryTest, SecretsStayTheOwners) {
  SaveRequest request = Request("a", kWithSecret);
  request.fields.set_project("default");
  MustCreate(ann_, std::move(request));
  v1::CopySavedConfigurationRequest copy;
  *copy.mutable_id() = Name("a", "ann");
  copy.set_name("b");
  const auto mine = library_.Copy(ann_, copy);
  ASSERT_TRUE(mine) << ToString(mine.error());
  EXPECT_EQ(mine->project(), "") << "a copy is private";
  EXPECT_EQ(library_.GetForUse(ann_, Name("b"))->configuration.integrations().wandb().api_key(),
            "hunter2");
  const auto theirs = library_.Copy(bob_, copy);
  ASSERT_TRUE(theirs) << ToString(theirs.error());
  EXPECT_FALSE(theirs->configuration().integrations().wandb().has_api_key());
  const auto used = library_.GetForUse(bob_, Name("a", "ann"));
  ASSERT_TRUE(used);
  EXPECT_FALSE(used->configuration.integrations().wandb().has_api_key());
  ASSERT_EQ(used->warnings.size(), 1U);
  EXPECT_EQ(used->warnings[0].code, "secrets_left_out");
}

TEST_F(LibraryTest, WithoutAKeySecretsAreRefused) {
  ConfigurationLibrary keyless(*store_, clock_, nullptr);
  EXPECT_EQ(CodeOf(keyless.Create(ann_, Request("a", kWithSecret))),
            ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(keyless.Create(ann_, Request("a")));
}

TEST_F(LibraryTest, ACopyCountsItsOwnUses) {
  MustCreate(ann_, Request("a"));
  core::Commit commit;
  commit.sequence = 1;
  domain::Job job;
  job.spec.id = domain::JobId("job-1");
  job.revision = 1;
  commit.jobs = {job};
  commit.uses = {{"saved_configuration", library_.GetForUse(ann_, Name("a"))->key, clock_.Now()}};
  ASSERT_TRUE(store_->Commit({&commit, 1}));
  const auto used = library_.Get(ann_, Name("a"));
  EXPECT_EQ(used->times_used(), 1U);
  EXPECT_EQ(used->last_used_time().seconds(), 1'800'000'000);
  EXPECT_EQ(used->etag(), "1") << "a use is no change";
  v1::CopySavedConfigurationRequest copy;
  *copy.mutable_id() = Name("a");
  copy.set_name("b");
  EXPECT_EQ(library_.Copy(ann_, copy)->times_used(), 0U);
  EXPECT_EQ(CodeOf(library_.Copy(ann_, copy)), ErrorCode::kAlreadyExists);
}

}  // namespace
}  // namespace lathe::resources
