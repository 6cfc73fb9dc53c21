#include "coordinator/resources/page.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "coordinator/resources/page_token.h"
#include "coordinator/storage/memory_store.h"

namespace lathe::resources {
namespace {

TEST(PageToken, HoldsAnyBytes) {
  const std::string position("a\0\xFF/b", 5);
  const std::string token = MakePageToken(position, "question");
  EXPECT_EQ(ReadPageToken(token, "question"), position);
  EXPECT_EQ(ReadPageToken(token, "another"), std::nullopt);
  EXPECT_EQ(ReadPageToken(token + "00", "question"), std::nullopt);
  EXPECT_EQ(ReadPageToken(token.substr(0, token.size() - 1) + "g", "question"), std::nullopt);
  for (const char* wrong : {"", "x", "0123456789abcdef", "0123456789abcdefgg"}) {
    EXPECT_EQ(ReadPageToken(wrong, "question"), std::nullopt) << wrong;
  }
}

class PageTest : public ::testing::Test {
 protected:
  void Fill(int count) {
    ASSERT_TRUE(store_->AcquireLeadership("one", std::chrono::seconds(60)));
    for (int i = 0; i < count; ++i) {
      storage::ResourceWrite write;
      const std::string number = std::to_string(100'000 + i);
      write.id = {"thing", number};
      write.head = number;
      write.scopes = {"all"};
      write.places = {{"name", number}};
      write.write_id = number;
      ASSERT_TRUE(store_->WriteResource(write));
    }
  }
  /// All pages; how many there were goes to pages_.
  std::vector<std::string> ReadAll(const std::string& filter,
                                   const std::function<bool(const std::string&)>& accept) {
    std::vector<std::string> found;
    query_.filter = filter;
    query_.token.clear();
    pages_ = 0;
    do {
      const auto page = ReadPage(
          *store_, query_, [&](const auto& each) -> Result<bool> { return accept(each.head); });
      EXPECT_TRUE(page) << ToString(page.error());
      if (!page) break;
      for (const auto& each : page->resources) found.push_back(each.head);
      query_.token = page->next_token;
      ++pages_;
    } while (!query_.token.empty());
    return found;
  }

  ManualClock clock_;
  std::shared_ptr<storage::MemoryDatabase> database_ = storage::MakeMemoryDatabase(clock_);
  std::unique_ptr<storage::Store> store_ = storage::MakeMemoryStore(database_);
  PageQuery query_{{"thing", "all", "name"}, 100, "", ""};
  int pages_ = 0;
};

TEST_F(PageTest, GivesEachResourceOnce) {
  Fill(1000);
  const auto all = ReadAll("", [](const auto&) { return true; });
  ASSERT_EQ(all.size(), 1000U);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(pages_, 10) << "the last full page knows that it is the last";
}

TEST_F(PageTest, AFilterNeverLooksAtTooManyForOnePage) {
  Fill(5001);
  const auto last = ReadAll("last", [](const auto& head) { return head == "105000"; });
  EXPECT_EQ(last, std::vector<std::string>{"105000"});
  EXPECT_EQ(pages_, 3) << "2,000 are looked at for each";
  const auto some = ReadAll("some", [](const auto& head) { return head.ends_with('7'); });
  EXPECT_EQ(some.size(), 500U);
}

TEST_F(PageTest, RefusesWrongSizesAndTokens) {
  const auto accept = [](const auto&) -> Result<bool> { return true; };
  query_.size = 1001;
  EXPECT_EQ(ReadPage(*store_, query_, accept).error().code, ErrorCode::kInvalidArgument);
  query_.size = 0;
  query_.token = "00";
  EXPECT_EQ(ReadPage(*store_, query_, accept).error().findings.at(0).path, "page_token");
  query_.token.clear();
  EXPECT_TRUE(ReadPage(*store_, query_, accept)->resources.empty());
}

}  // namespace
}  // namespace lathe::resources
