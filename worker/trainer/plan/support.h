#pragma once
// What this program can do of all that a configuration can ask for.

#include <string>
#include <vector>

#include "common/base/error.h"
#include "worker/trainer/plan/configuration.h"

namespace lathe::trainer::plan {

/// Optimizations that are forms of AdamW.
inline constexpr char kOptimizer8Bit[] = "optimizer_8bit";
inline constexpr char kPagedOptimizer[] = "paged_optimizer";

/// Of a parameter of tokens, those that are supported. A parameter without a row is supported
/// whatever its token.
struct AcceptedTokens {
  const char* path;
  std::vector<std::string> tokens;
};
const std::vector<AcceptedTokens>& AcceptedByTrainer();

/// A parameter that changes nothing here.
struct WithoutEffect {
  const char* path;
  const char* why;
  bool only_if_true = false;  ///< `false` asks for nothing, so there is nothing to tell
};
const std::vector<WithoutEffect>& SettingsWithoutEffect();

/// A finding for each value that is legal but not supported, naming what is.
void CheckSupport(const Configuration& configuration, std::vector<Finding>& findings);

/// A sentence for each setting that has no effect here.
std::vector<std::string> IgnoredSettings(const Configuration& configuration);

}  // namespace lathe::trainer::plan
