#include "coordinator/cli/commands/version.h"

#include "common/base/version.h"
#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/output/print.h"

namespace lathe::cli {

Outcome RunVersion(Context& context, const VersionOptions& options) {
  Document document = {{"client", std::string(Version())}};
  std::string text = std::string("client       ") + Version() + "\n";
  if (options.client_only) {
    PrintResult(context, document, text);
    return ExitCode::kOk;
  }
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  const auto nodes = client->ListNodes();
  if (!nodes) {
    PrintResult(context, document, text);
    return Failure(nodes.error());
  }
  document["coordinator"] = nodes->coordinator_version();
  text += "coordinator  " + nodes->coordinator_version() + " at " + client->address().value + "\n";
  PrintResult(context, document, text);
  return ExitCode::kOk;
}

}  // namespace lathe::cli
