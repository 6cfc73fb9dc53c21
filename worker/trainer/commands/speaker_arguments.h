#pragma once
// Who a command line asks for answers; see speakers.h.

#include <string>
#include <vector>

namespace lathe::trainer::commands {

struct SpeakerArguments {
  std::vector<std::string> adapters;      ///< "[NAME=]FOLDER"
  std::vector<std::string> compositions;  ///< see ParseComposition
  bool with_base = false;                 ///< the model without an adapter, too
};

}  // namespace lathe::trainer::commands
