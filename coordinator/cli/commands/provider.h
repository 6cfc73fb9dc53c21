#pragma once
// lathe provider list | capabilities | translate.

#include <string>
#include <vector>

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct ProviderCapabilitiesOptions {
  std::string id;
};

struct ProviderTranslateOptions {
  std::string file;
  std::vector<std::string> set;  ///< PATH=VALUE, above the file
  std::string id;
};

Outcome RunProviderList(Context& context);
Outcome RunProviderCapabilities(Context& context, const ProviderCapabilitiesOptions& options);
Outcome RunProviderTranslate(Context& context, const ProviderTranslateOptions& options);

}  // namespace lathe::cli
