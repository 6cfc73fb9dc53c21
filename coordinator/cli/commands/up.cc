#include "coordinator/cli/commands/up.h"

#include <algorithm>
#include <ostream>

#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/local/local_cluster.h"
#include "coordinator/cli/output/print.h"

namespace lathe::cli {
namespace {

Layout LayoutOf(const Context& context, const std::filesystem::path& data_dir) {
  const std::filesystem::path chosen =
      data_dir.empty() ? DefaultDataDir(context.environment) : data_dir;
  return Layout(std::filesystem::absolute(chosen).lexically_normal());
}

bool NodesReady(const Context& context, const std::string& address,
                const std::vector<std::string>& nodes) {
  Context local = {.out = context.out,
                   .err = context.err,
                   .in = context.in,
                   .interrupt = context.interrupt,
                   .environment = context.environment,
                   .terminal = context.terminal,
                   .options = {.address = address}};
  const auto client = CoordinatorClient::Create(local);
  if (!client) return false;
  const auto listed = (*client)->ListNodes();
  if (!listed) return false;
  return std::all_of(nodes.begin(), nodes.end(), [&](const std::string& id) {
    return std::any_of(listed->nodes().begin(), listed->nodes().end(), [&](const v1::Node& node) {
      return node.id() == id && node.state() == v1::NODE_STATE_READY;
    });
  });
}

ClusterHooks HooksOf(Context& context) {
  return {.program = context.environment.program,
          .interrupted = [&context] { return context.interrupt.Happened(); },
          .note = [&context](const std::string& line) { Note(context, line); },
          .ready =
              [&context](const std::string& address, const std::vector<std::string>& nodes) {
                return NodesReady(context, address, nodes);
              }};
}

Document ReportDocument(const Layout& layout, const ClusterReport& report) {
  Document processes = Document::array();
  for (const ClusterProcess& process : report.processes) {
    processes.push_back(
        {{"name", process.name}, {"pid", process.pid}, {"started", process.started}});
  }
  return {{"address", report.address},
          {"dataDir", layout.data_dir().string()},
          {"modelsDir", report.settings.models_dir.string()},
          {"logDir", layout.log_dir().string()},
          {"metrics", report.metrics},
          {"processes", processes}};
}

std::string ReportText(const Context& context, const Layout& layout, const ClusterReport& report,
                       const std::string& down) {
  const bool fresh = std::any_of(report.processes.begin(), report.processes.end(),
                                 [](const ClusterProcess& process) { return process.started; });
  std::string text = fresh ? "Lathe is up.\n" : "Lathe is already running.\n";
  text += "  address  " + report.address + "\n";
  text += "  workers  " + std::to_string(report.settings.workers) +
          (report.settings.cpu_only ? ", on CPU only\n" : "\n");
  for (const std::string& url : report.metrics) text += "  metrics  " + url + "\n";
  text += "  models   " + report.settings.models_dir.string() + "\n";
  text += "  logs     " + layout.log_dir().string() + "\n";
  text += "  stop     " + down + "\n";
  return Colored(context.terminal, 32, text.substr(0, text.find('\n'))) +
         text.substr(text.find('\n'));
}

std::string DownCommand(const std::filesystem::path& data_dir) {
  return data_dir.empty() ? "lathe down" : "lathe down --data-dir " + data_dir.string();
}

}  // namespace

Outcome RunUp(Context& context, const UpOptions& options) {
  const Interrupt::Scope scope(context.interrupt, [] {});
  const Layout layout = LayoutOf(context, options.data_dir);
  LATHE_ASSIGN_OR_RETURN(LocalCluster cluster, LocalCluster::Open(layout, HooksOf(context)));
  LATHE_ASSIGN_OR_RETURN(const UpSettings saved, LoadSettings(layout, {}));
  LATHE_ASSIGN_OR_RETURN(const UpSettings settings, LoadSettings(layout, options));
  const std::string changed = ChangedOptions(saved, settings);
  if (!changed.empty() && cluster.IsRunning(kCoordinator)) {
    return Failure(Error{ErrorCode::kFailedPrecondition,
                         "Lathe already runs there with another " + changed,
                         {},
                         "`" + DownCommand(options.data_dir) + "` first, then this again"});
  }
  LATHE_ASSIGN_OR_RETURN(const ClusterReport report, cluster.BringUp(settings));
  PrintResult(context, ReportDocument(layout, report),
              ReportText(context, layout, report, DownCommand(options.data_dir)));
  return ExitCode::kOk;
}

Outcome RunDown(Context& context, const DownOptions& options) {
  const Layout layout = LayoutOf(context, options.data_dir);
  std::vector<std::string> stopped;
  // Looking must not make the folder.
  if (std::filesystem::exists(layout.run_dir())) {
    LATHE_ASSIGN_OR_RETURN(LocalCluster cluster, LocalCluster::Open(layout, HooksOf(context)));
    LATHE_ASSIGN_OR_RETURN(stopped, cluster.TakeDown());
  }
  const std::string text = stopped.empty()
                               ? "Nothing was running in " + layout.data_dir().string() + ".\n"
                               : "Lathe is down. Jobs go on after the next `lathe up`.\n";
  PrintResult(context, {{"dataDir", layout.data_dir().string()}, {"stopped", stopped}}, text);
  return ExitCode::kOk;
}

}  // namespace lathe::cli
