#pragma once
// lathe provider list | capabilities | translate.

#include <string>

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct ProviderCapabilitiesOptions {
  std::string id;
};

struct ProviderTranslateOptions {
  std::string file;
  std::string id;
};

Outcome RunProviderList(Context& context);
Outcome RunProviderCapabilities(Context& context, const ProviderCapabilitiesOptions& options);
Outcome RunProviderTranslate(Context& context, const ProviderTranslateOptions& options);

}  // namespace lathe::cli
