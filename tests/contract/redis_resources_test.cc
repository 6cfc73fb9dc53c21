// What paging through very many resources costs the Redis server, and what it holds of the schema.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>

#include <map>
#include <memory>
#include <string>

#include "coordinator/storage/redis_store.h"
#include "tests/support/redis_server.h"

namespace lathe::storage {
namespace {

constexpr std::size_t kMany = 10'000;
constexpr std::size_t kPage = 100;

/// Talks to the server past the store.
class Raw {
 public:
  explicit Raw(const testing::RedisServer& server)
      : context_(redisConnectUnix(server.socket().c_str()), redisFree) {}
  std::string Text(const char* command) {
    auto* reply = static_cast<redisReply*>(redisCommand(context_.get(), command));
    std::string text = reply->str == nullptr ? "" : std::string(reply->str, reply->len);
    freeReplyObject(reply);
    return text;
  }
  /// A number of INFO, for example total_net_output_bytes.
  long long Info(const std::string& name) {
    const std::string info = Text("INFO everything");
    const std::size_t at = info.find("\n" + name + ":");
    return at == std::string::npos ? -1 : std::stoll(info.substr(at + name.size() + 2));
  }
  /// How often each command ran since the last reset, those within functions included.
  std::map<std::string, long long> Calls() {
    std::map<std::string, long long> calls;
    const std::string info = Text("INFO commandstats");
    const std::string mark = "cmdstat_";
    for (std::size_t at = info.find(mark); at != std::string::npos; at = info.find(mark, at + 1)) {
      const std::size_t name = at + mark.size();
      const std::size_t colon = info.find(':', name);
      calls[info.substr(name, colon - name)] = std::stoll(info.substr(colon + 7));
    }
    return calls;
  }

 private:
  std::unique_ptr<redisContext, void (*)(redisContext*)> context_;
};

struct Library {
  std::unique_ptr<testing::RedisServer> server;
  std::unique_ptr<Store> store;
};

Library Open() {
  auto server = testing::RedisServer::Start({"--appendfsync", "no"});
  EXPECT_TRUE(server) << ToString(server.error());
  auto store = OpenRedisStore(*ParseRedisUrl((*server)->url()));
  EXPECT_TRUE((*store)->AcquireLeadership("one", std::chrono::seconds(60)));
  return {std::move(*server), std::move(*store)};
}

void Fill(Store& store, std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < to; ++i) {
    ResourceWrite write;
    const std::string number = std::to_string(100'000 + i);
    write.id = {"thing", "ann/" + number};
    write.head = std::string(200, 'h');
    write.body = std::string(2'000, 'b');
    write.scopes = {"all", "owner:ann"};
    write.places = {{"name", number}, {"updated", number}};
    write.write_id = number;
    write.remembered = std::chrono::seconds(1);
    const auto written = store.WriteResource(write);
    ASSERT_TRUE(written) << ToString(written.error());
  }
}

struct Cost {
  long long bytes_out = 0;
  std::map<std::string, long long> calls;
};

Cost CostOfAPage(Raw& raw, Store& store, const std::string& after) {
  raw.Text("CONFIG RESETSTAT");
  const long long before = raw.Info("total_net_output_bytes");
  raw.Text("CONFIG RESETSTAT");
  const auto page = store.ListResources({"thing", "owner:ann", "name"}, after, kPage);
  EXPECT_EQ(page->size(), kPage);
  Cost cost{0, raw.Calls()};
  // What one INFO sends is in `before`; what the page sent comes on top of it.
  cost.bytes_out = raw.Info("total_net_output_bytes") - before;
  return cost;
}

TEST(RedisResources, APageCostsTheSameAmongTenThousand) {
  Library library = Open();
  Raw raw(*library.server);
  Fill(*library.store, 0, 2 * kPage);
  const Cost among_few = CostOfAPage(raw, *library.store, "");
  Fill(*library.store, 2 * kPage, kMany);

  std::string after;
  std::size_t seen = 0;
  std::string middle;
  while (true) {
    const auto page = library.store->ListResources({"thing", "owner:ann", "name"}, after, kPage);
    ASSERT_TRUE(page);
    if (page->empty()) break;
    seen += page->size();
    after = page->back().position;
    if (seen == kMany / 2) middle = after;
  }
  EXPECT_EQ(seen, kMany);

  for (const std::string& place : {std::string(), middle}) {
    const Cost among_many = CostOfAPage(raw, *library.store, place);
    EXPECT_EQ(among_many.calls.at("fcall_ro"), 1);
    EXPECT_EQ(among_many.calls.at("zrange"), 1);
    EXPECT_EQ(among_many.calls.at("hmget"), static_cast<long long>(kPage));
    EXPECT_EQ(among_many.calls, among_few.calls);
    // INFO itself tells larger numbers.
    EXPECT_NEAR(static_cast<double>(among_many.bytes_out), static_cast<double>(among_few.bytes_out),
                2'000);
    EXPECT_LT(among_many.bytes_out, 60'000) << "heads alone, not the bodies";
  }
}

TEST(RedisResources, PublishesTheSchemaForOtherPrograms) {
  Library library = Open();
  ASSERT_TRUE(library.store->PublishSchema({4, R"({"type":"object"})", "descriptors"}));
  Raw raw(*library.server);
  EXPECT_EQ(raw.Text("HGET lathe:configuration_schema version"), "4");
  EXPECT_EQ(raw.Text("HGET lathe:configuration_schema json_schema"), R"({"type":"object"})");
  EXPECT_EQ(raw.Text("HGET lathe:configuration_schema descriptors"), "descriptors");
}

}  // namespace
}  // namespace lathe::storage
