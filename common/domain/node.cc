#include "common/domain/node.h"

namespace lathe::domain {

std::string_view ToString(NodeState state) {
  return state == NodeState::kReady ? "ready" : "lost";
}

}  // namespace lathe::domain
