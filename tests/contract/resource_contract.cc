// What every Store promises about resources, their indexes and their use.

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "tests/contract/store_contract.h"

namespace lathe::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Outcome = ResourceWriteResult::Outcome;

constexpr Duration kLeadershipTtl = std::chrono::seconds(60);
constexpr char kKind[] = "thing";

class Resources : public StoreContract {
 protected:
  void SetUp() override {
    StoreContract::SetUp();
    ASSERT_TRUE(store_->AcquireLeadership("one", kLeadershipTtl));
  }

  /// A write that has never been made before.
  ResourceWrite Make(const std::string& key, std::uint64_t expected) {
    ResourceWrite write;
    write.id = {kKind, key};
    write.expected_revision = expected;
    write.head = "head of " + key;
    write.body = std::string("b\0dy", 4);
    write.scopes = {"all", "owner:ann"};
    write.places = {{"name", key}, {"updated", LatestFirst(FromMicros(1000 + ++writes_))}};
    write.write_id = "write-" + std::to_string(writes_);
    write.payload_hash = "payload";
    return write;
  }
  ResourceWriteResult Write(const ResourceWrite& write) {
    const auto result = store_->WriteResource(write);
    EXPECT_TRUE(result) << ToString(result.error());
    return result ? *result : ResourceWriteResult{};
  }
  std::vector<std::string> Keys(const std::string& order, const std::string& scope = "all") {
    const auto listed = store_->ListResources({kKind, scope, order}, "", 100);
    EXPECT_TRUE(listed) << ToString(listed.error());
    std::vector<std::string> keys;
    if (listed) {
      for (const ListedResource& each : *listed) keys.push_back(each.key);
    }
    return keys;
  }
  std::optional<Resource> Read(const std::string& key) {
    const auto resource = store_->ReadResource({kKind, key});
    EXPECT_TRUE(resource) << ToString(resource.error());
    return resource ? *resource : std::nullopt;
  }
  /// A job's commit that uses a resource at that time.
  core::Commit Use(std::uint64_t sequence, const std::string& key, std::int64_t micros) {
    core::Commit commit;
    commit.sequence = sequence;
    domain::Job job;
    job.spec.id = domain::JobId("job-" + std::to_string(sequence));
    job.revision = 1;
    commit.jobs = {job};
    commit.uses = {{kKind, key, FromMicros(micros)}};
    return commit;
  }

  int writes_ = 0;
};

TEST_P(Resources, KeepsWhatWasWritten) {
  EXPECT_EQ(Read("ann/a"), std::nullopt);
  EXPECT_EQ(Write(Make("ann/a", 0)), (ResourceWriteResult{Outcome::kWritten, 1}));
  const auto other = backend_->Open();
  const auto stored = other->ReadResource({kKind, "ann/a"});
  ASSERT_TRUE(stored && *stored);
  EXPECT_EQ(**stored, (Resource{1, "head of ann/a", std::string("b\0dy", 4), {}}));
  EXPECT_EQ(*other->ReadResource({"other", "ann/a"}), std::nullopt);
}

TEST_P(Resources, RefusesAnotherRevision) {
  Write(Make("a", 0));
  EXPECT_EQ(Write(Make("a", 0)), (ResourceWriteResult{Outcome::kConflict, 1}));
  EXPECT_EQ(Write(Make("a", 1)), (ResourceWriteResult{Outcome::kWritten, 2}));
  EXPECT_EQ(Write(Make("a", 1)), (ResourceWriteResult{Outcome::kConflict, 2}));
  EXPECT_EQ(Write(Make("b", 7)), (ResourceWriteResult{Outcome::kConflict, 0}));
  EXPECT_EQ(Read("a")->revision, 2U);
  EXPECT_THAT(Keys("name"), ElementsAre("a"));
}

TEST_P(Resources, DoesARepeatedWriteOnce) {
  const ResourceWrite write = Make("a", 0);
  EXPECT_EQ(Write(write), (ResourceWriteResult{Outcome::kWritten, 1}));
  EXPECT_EQ(Write(write), (ResourceWriteResult{Outcome::kRepeated, 1}));
  ResourceWrite reused = Make("b", 0);
  reused.write_id = write.write_id;
  reused.payload_hash = "another";
  EXPECT_EQ(Write(reused), (ResourceWriteResult{Outcome::kReused, 1}));
  EXPECT_EQ(Read("b"), std::nullopt);
}

TEST_P(Resources, ForgetsAWriteInTime) {
  ResourceWrite write = Make("a", 0);
  write.remembered = std::chrono::seconds(1);
  Write(write);
  backend_->Wait(std::chrono::milliseconds(1200));
  EXPECT_EQ(Write(write), (ResourceWriteResult{Outcome::kConflict, 1}));
}

TEST_P(Resources, IsRemovedFromEverywhere) {
  Write(Make("a", 0));
  Write(Make("b", 0));
  ResourceWrite remove = Make("a", 1);
  remove.remove = true;
  EXPECT_EQ(Write(remove), (ResourceWriteResult{Outcome::kWritten, 0}));
  EXPECT_EQ(Write(remove), (ResourceWriteResult{Outcome::kRepeated, 0}));
  EXPECT_EQ(Read("a"), std::nullopt);
  for (const char* order : {"name", "updated", kOrderUsed}) {
    EXPECT_THAT(Keys(order), ElementsAre("b")) << order;
    EXPECT_THAT(Keys(order, "owner:ann"), ElementsAre("b")) << order;
  }
}

TEST_P(Resources, MovesInTheOrdersAndScopes) {
  for (const char* key : {"b", "c", "a"}) Write(Make(key, 0));
  EXPECT_THAT(Keys("name"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Keys("updated"), ElementsAre("a", "c", "b"));
  ResourceWrite shared = Make("b", 1);
  shared.scopes = {"all", "project:x"};
  Write(shared);
  EXPECT_THAT(Keys("updated"), ElementsAre("b", "a", "c"));
  EXPECT_THAT(Keys("name", "owner:ann"), ElementsAre("a", "c"));
  EXPECT_THAT(Keys("name", "project:x"), ElementsAre("b"));
}

TEST_P(Resources, ListsInPages) {
  for (const char* key : {"a", "b", "c", "d", "e"}) Write(Make(key, 0));
  const ResourceIndex index{kKind, "all", "name"};
  const auto first = store_->ListResources(index, "", 2);
  ASSERT_TRUE(first);
  ASSERT_THAT(*first, SizeIs(2));
  EXPECT_EQ(first->back().head, "head of b");
  EXPECT_EQ(first->back().revision, 1U);
  const auto second = store_->ListResources(index, first->back().position, 10);
  ASSERT_THAT(*second, SizeIs(3));
  EXPECT_EQ(second->front().key, "c");
  EXPECT_THAT(*store_->ListResources(index, second->back().position, 10), IsEmpty());
  EXPECT_THAT(*store_->ListResources({kKind, "all", "none"}, "", 10), IsEmpty());
}

TEST_P(Resources, CountsAUseWithTheCommit) {
  for (const char* key : {"a", "b", "c"}) Write(Make(key, 0));
  const core::Commit commit = Use(1, "c", 500);
  ASSERT_TRUE(store_->Commit({&commit, 1}));
  ASSERT_TRUE(store_->Commit({&commit, 1})) << "a repeated commit counts once";
  const core::Commit next = Use(2, "b", 600);
  ASSERT_TRUE(store_->Commit({&next, 1}));
  EXPECT_EQ(Read("c")->use, (ResourceUse{1, FromMicros(500)}));
  EXPECT_EQ(Read("c")->revision, 1U);
  EXPECT_EQ(Read("a")->use, ResourceUse{});
  EXPECT_THAT(Keys(kOrderUsed), ElementsAre("b", "c", "a"));
  Write(Make("c", 1));
  EXPECT_EQ(Read("c")->use, (ResourceUse{1, FromMicros(500)})) << "a change keeps the count";
  EXPECT_THAT(Keys(kOrderUsed), ElementsAre("b", "c", "a"));
  const core::Commit again = Use(3, "c", 700);
  ASSERT_TRUE(store_->Commit({&again, 1}));
  EXPECT_EQ(Read("c")->use, (ResourceUse{2, FromMicros(700)}));
  EXPECT_THAT(Keys(kOrderUsed, "owner:ann"), ElementsAre("c", "b", "a"));
}

TEST_P(Resources, DoesNotCountWhatIsGoneNorARefusedCommit) {
  Write(Make("a", 0));
  const core::Commit gone = Use(1, "none", 500);
  ASSERT_TRUE(store_->Commit({&gone, 1}));
  EXPECT_EQ(Read("none"), std::nullopt);
  core::Commit refused = Use(2, "a", 500);
  refused.jobs.front().revision = 9;
  EXPECT_FALSE(store_->Commit({&refused, 1}));
  EXPECT_EQ(Read("a")->use, ResourceUse{});
}

TEST_P(Resources, OnlyTheLeaderWrites) {
  const auto other = backend_->Open();
  ASSERT_TRUE(other->AcquireLeadership("one", kLeadershipTtl));
  const auto fenced = store_->WriteResource(Make("a", 0));
  ASSERT_FALSE(fenced);
  EXPECT_EQ(fenced.error().code, ErrorCode::kAborted);
  EXPECT_EQ(Read("a"), std::nullopt);
  const auto schema = store_->PublishSchema({1, "{}", "d"});
  ASSERT_FALSE(schema);
  EXPECT_EQ(schema.error().code, ErrorCode::kAborted);
}

TEST_P(Resources, ANewerSchemaIsNotReplaced) {
  EXPECT_TRUE(store_->PublishSchema({2, "{}", "d"}));
  EXPECT_TRUE(store_->PublishSchema({2, "{}", "d"}));
  EXPECT_TRUE(store_->PublishSchema({3, "{}", "d"}));
  const auto older = store_->PublishSchema({2, "{}", "d"});
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(older.error().message, ::testing::HasSubstr("3"));
}

TEST(LatestFirst, SortsLaterTimesFirstAndNeverLast) {
  const std::vector<std::string> keys = {LatestFirst(FromMicros(1'795'000'000'000'000)),
                                         LatestFirst(FromMicros(1'700'000'000'000'000)),
                                         LatestFirst(FromMicros(5)), LatestFirst(Instant{}),
                                         kNever};
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), keys.size());
  for (const std::string& key : keys) EXPECT_EQ(key.size(), 16U);
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Stores, Resources, ::testing::ValuesIn(Backends()),
                         [](const auto& each) { return each.param.name; });

}  // namespace lathe::storage
