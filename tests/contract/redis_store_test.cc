// What only the Redis store has: a server that dies, refuses, is too new, or is set up carelessly.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>

#include "coordinator/storage/redis_store.h"
#include "tests/support/redis_server.h"

namespace lathe::storage {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::unique_ptr<testing::RedisServer> StartServer(std::vector<std::string> arguments = {}) {
  auto server = testing::RedisServer::Start(std::move(arguments));
  EXPECT_TRUE(server) << ToString(server.error());
  return server ? std::move(*server) : nullptr;
}

RedisOptions OptionsFor(const testing::RedisServer& server) {
  return *ParseRedisUrl(server.url());
}

core::Commit OneJob(std::uint64_t sequence, const std::string& id) {
  core::Commit commit;
  commit.sequence = sequence;
  domain::Job job;
  job.spec.id = domain::JobId(id);
  job.revision = 1;
  commit.jobs = {job};
  return commit;
}

/// Talks to the server past the store; the text of the answer.
std::string Ask(const testing::RedisServer& server, const char* command) {
  redisContext* context = redisConnectUnix(server.socket().c_str());
  EXPECT_EQ(context->err, 0);
  auto* reply = static_cast<redisReply*>(redisCommand(context, command));
  std::string text = reply->str == nullptr ? "" : std::string(reply->str, reply->len);
  freeReplyObject(reply);
  redisFree(context);
  return text;
}

void Send(const testing::RedisServer& server, const char* command) {
  static_cast<void>(Ask(server, command));
}

TEST(RedisUrl, ReadsBothKinds) {
  EXPECT_EQ(ParseRedisUrl("unix:///run/redis.sock")->unix_socket, "/run/redis.sock");
  const auto tcp = ParseRedisUrl("tcp://db.example:6380/3");
  ASSERT_TRUE(tcp);
  EXPECT_EQ(tcp->host, "db.example");
  EXPECT_EQ(tcp->port, 6380);
  EXPECT_EQ(tcp->database, 3);
}

TEST(RedisUrl, SaysWhatWouldBeRight) {
  for (const char* url : {"", "redis://x", "tcp://host", "tcp://:1", "tcp://h:0", "tcp://h:1/x",
                          "tcp://h:99999", "unix://relative"}) {
    const auto parsed = ParseRedisUrl(url);
    ASSERT_FALSE(parsed) << url;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(parsed.error().message, HasSubstr("tcp://host:port"));
  }
}

TEST(RedisStore, SurvivesAKilledServerAndKeepsWhatWasCommitted) {
  const auto server = StartServer();
  auto store = *OpenRedisStore(OptionsFor(*server));
  ASSERT_TRUE(store->AcquireLeadership("one", std::chrono::seconds(60)));
  const core::Commit first = OneJob(1, "job-1");
  ASSERT_TRUE(store->Commit({&first, 1}));
  server->Kill();
  const core::Commit second = OneJob(2, "job-2");
  const auto down = store->Commit({&second, 1});
  ASSERT_FALSE(down);
  EXPECT_EQ(down.error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(server->Restart());
  ASSERT_TRUE(store->Commit({&second, 1}));
  EXPECT_THAT(store->Load()->jobs, SizeIs(2));
}

// A pipeline arrives in pieces, each of which would be written and synced for itself.
TEST(RedisStore, CommitsAGroupInOneTransaction) {
  const auto server = StartServer();
  const auto store = OpenRedisStore(OptionsFor(*server)).value();
  ASSERT_TRUE(store->AcquireLeadership("a", std::chrono::hours(1)));
  std::vector<core::Commit> group;
  for (std::uint64_t i = 1; i <= 500; ++i) group.push_back(OneJob(i, "job-" + std::to_string(i)));
  ASSERT_TRUE(store->Commit(group));
  EXPECT_THAT(store->Load()->jobs, SizeIs(500));
  EXPECT_THAT(Ask(*server, "INFO commandstats"), HasSubstr("cmdstat_exec:calls=1,"));
}

TEST(RedisStore, SaysThatNobodyAnswers) {
  RedisOptions options;
  options.unix_socket = "/nonexistent/redis.sock";
  const auto store = OpenRedisStore(options);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(store.error().message, HasSubstr("/nonexistent/redis.sock"));
}

TEST(RedisStore, UsesItsPassword) {
  const auto server = StartServer({"--requirepass", "secret"});
  RedisOptions options = OptionsFor(*server);
  EXPECT_EQ(OpenRedisStore(options).error().code, ErrorCode::kUnauthenticated);
  options.password = "wrong";
  const auto refused = OpenRedisStore(options);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnauthenticated);
  EXPECT_THAT(refused.error().message, ::testing::Not(HasSubstr("wrong ")));
  options.password = "secret";
  EXPECT_TRUE(OpenRedisStore(options));
}

TEST(RedisStore, RefusesANewerSchema) {
  const auto server = StartServer();
  Send(*server, "SET lathe:schema 2");
  const auto store = OpenRedisStore(OptionsFor(*server));
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::kFailedPrecondition);
}

TEST(RedisStore, RefusesANewerFunctionLibrary) {
  const auto server = StartServer();
  RedisOptions options = OptionsFor(*server);
  redisContext* context = redisConnectUnix(server->socket().c_str());
  const char* library =
      "#!lua name=lathe\nredis.register_function{function_name='lathe_version',"
      "callback=function() return 99 end,flags={'no-writes'}}";
  freeReplyObject(redisCommand(context, "FUNCTION LOAD REPLACE %s", library));
  redisFree(context);
  const auto store = OpenRedisStore(options);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(store.error().message, HasSubstr("99"));
}

TEST(RedisStore, KeepsPrefixesApart) {
  const auto server = StartServer();
  RedisOptions options = OptionsFor(*server);
  auto a = *OpenRedisStore(options);
  options.prefix = "other:";
  auto b = *OpenRedisStore(options);
  ASSERT_TRUE(a->AcquireLeadership("one", std::chrono::seconds(60)));
  ASSERT_TRUE(b->AcquireLeadership("two", std::chrono::seconds(60)));
  const core::Commit commit = OneJob(1, "job-1");
  ASSERT_TRUE(a->Commit({&commit, 1}));
  EXPECT_THAT(b->Load()->jobs, IsEmpty());
}

TEST(RedisStore, FindsNothingWrongWithADurableServer) {
  const auto server = StartServer({"--maxmemory-policy", "noeviction"});
  EXPECT_THAT(*(*OpenRedisStore(OptionsFor(*server)))->CheckDurability(), IsEmpty());
}

TEST(RedisStore, WarnsOfSettingsThatLoseWork) {
  const auto server =
      StartServer({"--appendfsync", "everysec", "--maxmemory-policy", "allkeys-lru"});
  const auto findings = (*OpenRedisStore(OptionsFor(*server)))->CheckDurability();
  ASSERT_TRUE(findings);
  ASSERT_THAT(*findings, SizeIs(2));
  EXPECT_EQ(findings->at(0).path, "redis.appendfsync");
  EXPECT_EQ(findings->at(1).path, "redis.maxmemory-policy");
}

TEST(RedisStore, RefusesAFullServerWithoutDoingHalf) {
  const auto server = StartServer();
  auto store = *OpenRedisStore(OptionsFor(*server));
  ASSERT_TRUE(store->AcquireLeadership("one", std::chrono::seconds(60)));
  Send(*server, "CONFIG SET maxmemory 1");
  const core::Commit commit = OneJob(1, "job-1");
  EXPECT_EQ(store->Commit({&commit, 1}).error().code, ErrorCode::kResourceExhausted);
  Send(*server, "CONFIG SET maxmemory 0");
  EXPECT_TRUE(store->Commit({&commit, 1}));
}

}  // namespace
}  // namespace lathe::storage
