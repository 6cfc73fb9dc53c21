#include "worker/trainer/commands/capabilities.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "worker/trainer/device/device.h"
#include "worker/trainer/plan/support.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {

int RunCapabilities(std::ostream& out) {
  using Json = nlohmann::ordered_json;
  Json accepted = Json::object();
  for (const plan::AcceptedTokens& row : plan::AcceptedByTrainer()) {
    accepted[row.path] = row.tokens;
  }
  Json devices = {{"cpu", accepted}};
  if (device::Open("cuda:0")) devices["cuda"] = accepted;
  Json without_effect = Json::object();
  for (const plan::WithoutEffect& row : plan::SettingsWithoutEffect()) {
    without_effect[row.path] = row.why;
  }
  out << Json{{"devices", devices}, {"withoutEffect", without_effect}}.dump(2) << '\n';
  return trainer_protocol::kExitSucceeded;
}

}  // namespace lathe::trainer::commands
