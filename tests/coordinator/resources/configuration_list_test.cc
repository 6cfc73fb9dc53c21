#include "tests/coordinator/resources/library_fixture.h"

namespace lathe::resources {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ListTest : public LibraryTest {
 protected:
  void SetUp() override {
    LibraryTest::SetUp();
    Save(ann_, "b-qlora", R"({"model":{"baseModel":"tiny"},"method":{"type":"qlora"}})");
    Save(ann_, "A-lora", R"({"model":{"baseModel":"large"}})", "dpo_basic");
    Save(ann_, "wrong", R"({"schedule":{"epochs":0}})", "", "default");
    Save(bob_, "bobs", R"({"model":{"baseModel":"tiny"}})");
  }
  void Save(const domain::Caller& caller, const std::string& name, const std::string& json,
            const std::string& template_name = "", const std::string& project = "") {
    SaveRequest request = Request(name, json);
    request.fields.set_template_(template_name);
    request.fields.set_project(project);
    clock_.Advance(std::chrono::seconds(1));
    MustCreate(caller, std::move(request));
  }
  std::vector<std::string> Names(const domain::Caller& caller,
                                 const v1::ListSavedConfigurationsRequest& request) {
    const auto listed = library_.List(caller, request);
    EXPECT_TRUE(listed) << ToString(listed.error());
    std::vector<std::string> names;
    if (listed) {
      for (const auto& each : listed->saved_configurations()) names.push_back(each.name());
    }
    return names;
  }
  v1::ListSavedConfigurationsRequest list_;
};

TEST_F(ListTest, ShowsOnesOwnByName) {
  EXPECT_THAT(Names(ann_, list_), ElementsAre("A-lora", "b-qlora", "wrong"));
  EXPECT_THAT(Names(bob_, list_), ElementsAre("bobs"));
  const auto listed = library_.List(ann_, list_);
  EXPECT_FALSE(listed->saved_configurations(0).has_configuration());
  EXPECT_EQ(listed->saved_configurations(2).error_count(), 2U) << "no base model, epochs 0";
  EXPECT_THAT(listed->saved_configurations(2).findings(), IsEmpty());
}

TEST_F(ListTest, OtherScopesAreExplicit) {
  list_.set_scope(v1::SAVED_CONFIGURATION_SCOPE_PROJECT);
  EXPECT_THAT(Names(bob_, list_), ElementsAre("wrong"));
  list_.set_project("theirs");
  EXPECT_EQ(library_.List(bob_, list_).error().code, ErrorCode::kPermissionDenied);
  EXPECT_THAT(Names(service_, list_), IsEmpty());
  list_.set_scope(v1::SAVED_CONFIGURATION_SCOPE_ALL);
  EXPECT_EQ(library_.List(ann_, list_).error().code, ErrorCode::kPermissionDenied);
  EXPECT_THAT(Names(service_, list_), ElementsAre("A-lora", "b-qlora", "bobs", "wrong"));
}

TEST_F(ListTest, OrdersByChangeAndUse) {
  list_.set_order(v1::SAVED_CONFIGURATION_ORDER_UPDATED);
  EXPECT_THAT(Names(ann_, list_), ElementsAre("wrong", "A-lora", "b-qlora"));
  core::Commit commit;
  commit.sequence = 1;
  commit.uses = {{"saved_configuration", "ann/b-qlora", clock_.Now()}};
  ASSERT_TRUE(store_->Commit({&commit, 1}));
  list_.set_order(v1::SAVED_CONFIGURATION_ORDER_USED);
  EXPECT_THAT(Names(ann_, list_), ElementsAre("b-qlora", "A-lora", "wrong"));
}

TEST_F(ListTest, Filters) {
  auto& filter = *list_.mutable_filter();
  filter.set_name("LORA");
  EXPECT_THAT(Names(ann_, list_), ElementsAre("A-lora", "b-qlora"));
  filter.set_method("qlora");
  EXPECT_THAT(Names(ann_, list_), ElementsAre("b-qlora"));
  filter.Clear();
  filter.set_base_model("large");
  EXPECT_THAT(Names(ann_, list_), ElementsAre("A-lora"));
  filter.Clear();
  filter.set_template_("dpo_basic");
  EXPECT_THAT(Names(ann_, list_), ElementsAre("A-lora"));
  filter.Clear();
  filter.set_validated(false);
  EXPECT_THAT(Names(ann_, list_), ElementsAre("wrong"));
  filter.set_validated(true);
  EXPECT_THAT(Names(ann_, list_), ElementsAre("A-lora", "b-qlora"));
}

TEST_F(ListTest, GoesOnWhereAPageEnded) {
  list_.set_page_size(2);
  auto page = library_.List(ann_, list_);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->saved_configurations_size(), 2);
  ASSERT_NE(page->next_page_token(), "");
  list_.set_page_token(page->next_page_token());
  EXPECT_THAT(Names(ann_, list_), ElementsAre("wrong"));
  EXPECT_EQ(library_.List(bob_, list_).error().code, ErrorCode::kInvalidArgument)
      << "a token is bound to its list";
  list_.set_order(v1::SAVED_CONFIGURATION_ORDER_UPDATED);
  EXPECT_EQ(library_.List(ann_, list_).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace lathe::resources
