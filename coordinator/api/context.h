#pragma once
// What the services work with; everything outlives the server.

#include <atomic>

#include "common/artifacts/blob_store.h"
#include "common/base/clock.h"
#include "common/secrets/keyring.h"
#include "coordinator/api/configuration_cache.h"
#include "coordinator/estimation/data_samples.h"
#include "coordinator/estimation/estimation.h"
#include "coordinator/providers/settings.h"
#include "coordinator/resources/configuration_library.h"
#include "coordinator/runtime/loop.h"
#include "coordinator/runtime/view.h"
#include "coordinator/sessions/session_hub.h"
#include "coordinator/storage/store.h"

namespace lathe::api {

struct Context {
  runtime::Loop& loop;
  runtime::View& view;
  storage::Store& store;
  ConfigurationCache& configurations;
  resources::ConfigurationLibrary& library;
  const artifacts::BlobStore& blobs;
  sessions::SessionHub& sessions;
  /// Set when the server is to end: streams then end with UNAVAILABLE.
  const std::atomic<bool>& stopping;
  /// Null: configurations with secrets are refused.
  const secrets::Keyring* keyring = nullptr;
  const providers::Settings& engines;
  estimation::DataSamples& samples;
  estimation::Prices prices;
};

/// How often a waiting stream looks whether its caller has gone.
constexpr Duration kPatience = std::chrono::milliseconds(250);

}  // namespace lathe::api
