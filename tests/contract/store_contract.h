#pragma once
// What every Store promises, as one suite that runs over each implementation. A Backend stands for
// one database; several stores (coordinators) open it.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/storage/store.h"

namespace lathe::storage {

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::unique_ptr<Store> Open() = 0;
  /// Lets that much time pass for the leader's lease.
  virtual void Wait(Duration duration) = 0;
};

struct BackendFactory {
  std::string name;
  std::function<std::unique_ptr<Backend>()> make;
};

class StoreContract : public ::testing::TestWithParam<BackendFactory> {
 protected:
  void SetUp() override {
    backend_ = GetParam().make();
    ASSERT_TRUE(backend_);
    store_ = backend_->Open();
    ASSERT_TRUE(store_);
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Store> store_;
};

/// The implementations under test.
std::vector<BackendFactory> Backends();

}  // namespace lathe::storage
