#pragma once
// Engines and their requests as messages. Pure.

#include <string>

#include "coordinator/providers/capabilities.h"
#include "coordinator/providers/engine.h"
#include "coordinator/providers/remote_job.h"
#include "coordinator/providers/translate.h"
#include "lathe/v1/provider_service.pb.h"

namespace lathe::api {

v1::ProviderCapabilities ToProto(const providers::Engine& engine,
                                 const providers::Capabilities& capabilities);
v1::ProviderRequest ToProto(const providers::EngineRequest& request, const std::string& base_url);

v1::ProviderJob ToProto(const std::string& provider, const providers::RemoteJob& job);

}  // namespace lathe::api
