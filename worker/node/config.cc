#include "worker/node/config.h"

#include <unistd.h>

#include <string_view>
#include <system_error>

#include "common/base/version.h"
#include "common/domain/caller.h"
#include "common/rpc/credentials.h"

namespace lathe::worker {
namespace {

namespace fs = std::filesystem;
using daemon_config::Kind;

fs::path BesideThisProgram(const char* name) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path(name) : self.parent_path() / name;
}

void Require(bool holds, const char* key, const std::string& given, const char* expected,
             std::vector<Finding>& findings) {
  if (holds) return;
  const std::string message = given.empty() ? "must be set" : "'" + given + "' is not usable";
  findings.push_back({.path = key,
                      .code = given.empty() ? "required" : "not_usable",
                      .message = std::string(key) + " " + message + ": " + expected,
                      .given = given,
                      .expected = expected});
}

/// The node that the worker's own certificate names, which is all that it may be; empty: none.
std::string NodeOfCertificate(const rpc::TlsFiles& tls) {
  if (tls.certificate.empty()) return {};
  const std::string name = rpc::CommonNameOf(tls.certificate).value_or("");
  constexpr std::string_view kPrefix = domain::kWorkerPrefix;
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : std::string();
}

}  // namespace

daemon_config::Description Describe() {
  return {
      .program = "lathe-worker",
      .summary = "Runs trainers on this machine for a Lathe coordinator.",
      .environment_prefix = "LATHE_WORKER",
      .version = Version(),
      .keys = {
          {"coordinator", Kind::kAddress, "127.0.0.1:7420", "Address of the coordinator"},
          {"data_dir", Kind::kPath, "",
           "Folder for jobs, cache and the node's id; one worker each"},
          {"models_dir", Kind::kPath, "",
           "Folder with base models: *.gguf files and model folders"},
          {"node_id", Kind::kText, "",
           "Name of this node; default: that of tls.cert, else made once, kept in data_dir"},
          {"cpu_slots", Kind::kInteger, "1", "CPU-only trainers that may run at once", 0, 1024},
          {"cpu_threads", Kind::kInteger, "0", "Threads of a job; 0: cores / cpu_slots", 0, 4096},
          {"cpu_ranks", Kind::kInteger, "1",
           "Processes that share a CPU job and its threads, for machines of several sockets", 1,
           64},
          {"base_weights",
           Kind::kText,
           "auto",
           "Frozen weights of a job of several processes: in each (replicated), in parts "
           "(sharded), "
           "or in parts when memory is short (auto)",
           0,
           0,
           {"auto", "replicated", "sharded"}},
          {"gpus", Kind::kText, "auto", "Which GPUs to offer", 0, 0, {"auto", "none"}},
          {"trainer", Kind::kPath, "", "Program lathe-trainer; default: beside this program"},
          {"cache_gib", Kind::kInteger, "50", "Size limit of the blob cache in GiB", 1, 1'000'000},
          {"metrics_listen", Kind::kAddress, "127.0.0.1:7422", "Address of /metrics; port 0: any"},
          {"metrics_address_file", Kind::kPath, "",
           "The real address of /metrics is written there"},
          {"tls.ca", Kind::kPath, "", "Who signs the coordinator's certificate (PEM)"},
          {"tls.cert", Kind::kPath, "",
           "This node's certificate, for mutual TLS: common name worker:NODE_ID (PEM)"},
          {"tls.key", Kind::kPath, "", "Its private key (PEM)"},
          {"log_level",
           Kind::kText,
           "info",
           "Least severe log lines to write",
           0,
           0,
           {"debug", "info", "warning", "error"}}}};
}

Result<Config> MakeConfig(const daemon_config::Values& values) {
  Config config{.coordinator = values.Text("coordinator"),
                .data_dir = values.Path("data_dir"),
                .models_dir = values.Path("models_dir"),
                .node_id = values.Text("node_id"),
                .cpu_slots = static_cast<unsigned>(values.Integer("cpu_slots")),
                .cpu_threads = static_cast<unsigned>(values.Integer("cpu_threads")),
                .cpu_ranks = static_cast<unsigned>(values.Integer("cpu_ranks")),
                .base_weights = values.Text("base_weights"),
                .use_gpus = values.Text("gpus") == "auto",
                .trainer = values.Path("trainer"),
                .cache_bytes = static_cast<std::uint64_t>(values.Integer("cache_gib")) << 30,
                .metrics_listen = values.Text("metrics_listen"),
                .metrics_address_file = values.Path("metrics_address_file"),
                .tls = {.certificate = values.Path("tls.cert"),
                        .key = values.Path("tls.key"),
                        .authority = values.Path("tls.ca")},
                .log_level = values.Text("log_level")};
  if (config.node_id.empty()) config.node_id = NodeOfCertificate(config.tls);
  if (config.trainer.empty()) config.trainer = BesideThisProgram("lathe-trainer");
  std::error_code ignored;
  std::vector<Finding> findings;
  Require(!config.data_dir.empty(), "data_dir", "", "give a folder that this worker may fill",
          findings);
  Require(fs::is_directory(config.models_dir, ignored), "models_dir", config.models_dir.string(),
          "give the folder that holds the base models", findings);
  Require(
      fs::is_regular_file(config.trainer, ignored) && ::access(config.trainer.c_str(), X_OK) == 0,
      "trainer", config.trainer.string(), "give the program lathe-trainer", findings);
  if (const auto tls = rpc::ChannelCredentials(config.tls, config.coordinator); !tls) {
    findings.push_back({.path = "tls", .code = "not_usable", .message = tls.error().message});
  }
  if (!findings.empty()) {
    return tl::unexpected<Error>(
        Error{ErrorCode::kInvalidArgument, "the configuration is wrong", std::move(findings), {}});
  }
  // Trainers and records carry the paths, so they must not depend on the folder started from.
  config.data_dir = fs::absolute(config.data_dir);
  config.models_dir = fs::absolute(config.models_dir);
  config.trainer = fs::absolute(config.trainer);
  return config;
}

}  // namespace lathe::worker
