#pragma once
// A library over the memory store, and the people who use it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "common/schema/configuration.h"
#include "coordinator/resources/configuration_library.h"
#include "coordinator/storage/memory_store.h"

namespace lathe::resources {

class LibraryTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(store_->AcquireLeadership("one", std::chrono::seconds(60))); }

  static domain::Caller User(const std::string& name) { return {name, {"default"}, false}; }

  static SaveRequest Request(const std::string& name, const std::string& json = kValid) {
    SaveRequest request;
    request.fields.set_name(name);
    request.content = schema::Import(json);
    return request;
  }
  static v1::SavedConfigurationName Name(const std::string& name, const std::string& owner = "") {
    v1::SavedConfigurationName out;
    out.set_name(name);
    out.set_owner(owner);
    return out;
  }
  v1::SavedConfiguration MustCreate(const domain::Caller& caller, SaveRequest request) {
    auto saved = library_.Create(caller, std::move(request));
    EXPECT_TRUE(saved) << ToString(saved.error());
    return saved ? *saved : v1::SavedConfiguration();
  }

  static constexpr char kValid[] = R"({"model":{"baseModel":"tiny"},"method":{"type":"qlora"}})";

  ManualClock clock_{FromMicros(1'800'000'000'000'000)};
  std::shared_ptr<storage::MemoryDatabase> database_ = storage::MakeMemoryDatabase(clock_);
  std::unique_ptr<storage::Store> store_ = storage::MakeMemoryStore(database_);
  secrets::Keyring keyring_ = *secrets::Keyring::Parse("k1 " + std::string(64, 'a'));
  ConfigurationLibrary library_{*store_, clock_, &keyring_};
  const domain::Caller ann_ = User("ann");
  const domain::Caller bob_ = User("bob");
  const domain::Caller service_{"service:x", {"default"}, true};
};

}  // namespace lathe::resources
