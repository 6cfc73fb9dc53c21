#include "coordinator/cli/commands/node_list.h"

#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/commands/job_text.h"
#include "coordinator/cli/output/document.h"
#include "coordinator/cli/output/format.h"
#include "coordinator/cli/output/print.h"
#include "coordinator/cli/output/table.h"

namespace lathe::cli {
namespace {

std::string Joined(const google::protobuf::RepeatedPtrField<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string Used(unsigned in_use, unsigned total) {
  return std::to_string(in_use) + "/" + std::to_string(total);
}

std::string GpuText(const v1::Node& node) {
  if (node.resources().gpus().empty()) return "";
  return Used(node.gpus_in_use(), static_cast<unsigned>(node.resources().gpus_size())) + " " +
         node.resources().gpus(0).name();
}

}  // namespace

Outcome RunNodeList(Context& context) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const v1::ListNodesResponse response, client->ListNodes());
  Document list = Document::array();
  Table table({{"ID"},
               {"STATE"},
               {"GPUS"},
               {"CPU SLOTS"},
               {"MEMORY", Align::kRight},
               {"JOBS"},
               {"MODELS"},
               {"SEEN"}});
  for (const v1::Node& node : response.nodes()) {
    list.push_back(ToDocument(node));
    table.AddRow({node.id(), Token("NodeState", v1::NodeState_Name(node.state())), GpuText(node),
                  Used(node.cpu_slots_in_use(), node.resources().cpu_slots()),
                  FormatBytes(node.resources().memory_bytes()), Joined(node.job_ids()),
                  Joined(node.models()), AgeText(node.last_heartbeat(), NowSeconds())});
  }
  PrintResult(context, list, table.Render(context.terminal.out ? context.terminal.width : 0));
  if (response.nodes().empty()) Note(context, "No nodes. A node appears when its worker connects.");
  return ExitCode::kOk;
}

}  // namespace lathe::cli
