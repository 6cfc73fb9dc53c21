#include <thread>
#include <utility>

#include "common/base/clock.h"
#include "coordinator/storage/memory_store.h"
#include "coordinator/storage/redis_store.h"
#include "tests/contract/store_contract.h"
#include "tests/support/redis_server.h"

namespace lathe::storage {
namespace {

class MemoryBackend final : public Backend {
 public:
  std::unique_ptr<Store> Open() override { return MakeMemoryStore(database_); }
  void Wait(Duration duration) override { clock_.Advance(duration); }

 private:
  ManualClock clock_;
  std::shared_ptr<MemoryDatabase> database_ = MakeMemoryDatabase(clock_);
};

class RedisBackend final : public Backend {
 public:
  explicit RedisBackend(std::unique_ptr<testing::RedisServer> server)
      : server_(std::move(server)) {}
  std::unique_ptr<Store> Open() override {
    auto store = OpenRedisStore(*ParseRedisUrl(server_->url()));
    EXPECT_TRUE(store) << ToString(store.error());
    return store ? std::move(*store) : nullptr;
  }
  void Wait(Duration duration) override { std::this_thread::sleep_for(duration); }

 private:
  std::unique_ptr<testing::RedisServer> server_;
};

std::unique_ptr<Backend> MakeRedisBackend() {
  auto server = testing::RedisServer::Start();
  EXPECT_TRUE(server) << ToString(server.error());
  return server ? std::make_unique<RedisBackend>(std::move(*server)) : nullptr;
}

}  // namespace

std::vector<BackendFactory> Backends() {
  return {{"memory", [] { return std::make_unique<MemoryBackend>(); }},
          {"redis", [] { return MakeRedisBackend(); }}};
}

}  // namespace lathe::storage
