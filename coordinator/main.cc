// lathe-coordinator: command line → configuration → RunCoordinator → exit code.

#include <cstdio>
#include <string>
#include <vector>

#include "coordinator/app.h"
#include "coordinator/config.h"

namespace {

constexpr int kExitInvalidConfiguration = 6;

int Refuse(const lathe::Error& error) {
  std::fputs(("lathe-coordinator: " + ToString(error) + "\n").c_str(), stderr);
  return kExitInvalidConfiguration;
}

}  // namespace

int main(int argc, char** argv) {
  using lathe::daemon_config::Outcome;
  lathe::coordinator::StopSignal stop;
  const auto outcome = lathe::daemon_config::Load(lathe::coordinator::ConfigTable(),
                                                  std::vector<std::string>(argv + 1, argv + argc),
                                                  lathe::daemon_config::ProcessEnvironment());
  if (!outcome) return Refuse(outcome.error());
  if (outcome->action == Outcome::Action::kPrint) {
    std::fputs(outcome->text.c_str(), stdout);
    return 0;
  }
  const auto config = lathe::coordinator::MakeConfig(outcome->values);
  if (!config) return Refuse(config.error());
  if (outcome->action == Outcome::Action::kCheckOnly) {
    std::puts("the configuration is right");
    return 0;
  }
  return lathe::coordinator::RunCoordinator(*config, stop);
}
