#pragma once
// lathe completion: what a shell has to know, made from the very description of the command line.
// Pure.

#include <string>
#include <vector>

#include "common/base/result.h"

namespace lathe::cli {

struct OptionDescription {
  std::vector<std::string> names;  ///< "--file", "-f"
  std::string help;                ///< first sentence
  bool takes_value = false;
  bool takes_file = false;
  std::vector<std::string> choices;  ///< of the value
};

struct CommandDescription {
  std::string path;  ///< "node list"; empty: the program itself
  std::string help;
  std::vector<std::string> subcommands;
  std::vector<OptionDescription> options;
};

/// A script for "bash", "zsh" or "fish"; kInvalidArgument for another.
Result<std::string> CompletionScript(const std::string& shell,
                                     const std::vector<CommandDescription>& commands);

}  // namespace lathe::cli
