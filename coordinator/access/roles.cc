#include "coordinator/access/roles.h"

#include <algorithm>
#include <array>
#include <string>

#include "common/domain/caller.h"

namespace lathe::access {
namespace {

enum class Callers { kWorkers, kEverybody };

struct Rule {
  std::string_view method;
  Callers callers;
};

// Every call that a worker makes. What is not here is for people and services, not for workers.
constexpr std::array<Rule, 4> kRules = {{
    {"/lathe.v1.WorkerService/Session", Callers::kWorkers},
    {"/lathe.v1.ArtifactService/FindMissingBlobs", Callers::kEverybody},
    {"/lathe.v1.ArtifactService/UploadBlob", Callers::kEverybody},
    {"/lathe.v1.ArtifactService/DownloadBlob", Callers::kEverybody},
}};

constexpr char kWhere[] = " (deploy/docs/certificates.md).";

std::string Quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

/// "/lathe.v1.JobService/GetJob" -> "JobService/GetJob".
std::string_view Short(std::string_view method) {
  const auto dot = method.find_last_of('.');
  return dot == method.npos ? method : method.substr(dot + 1);
}

bool IsWorker(std::string_view name) {
  return name.starts_with(domain::kWorkerPrefix);
}

std::string_view NodeOf(std::string_view worker) {
  return worker.substr(std::string_view(domain::kWorkerPrefix).size());
}

Error Denied(std::string message) {
  return {ErrorCode::kPermissionDenied, std::move(message) + kWhere, {}};
}

Error NotAWorkers(std::string_view name) {
  const std::string given =
      name.empty() ? std::string("this certificate has none") : "this one's is " + Quoted(name);
  return Denied("only a worker may open a node's session: its certificate's common name is " +
                Quoted(std::string(domain::kWorkerPrefix) + "NODE") +
                ", NODE being the node's name; " + given);
}

}  // namespace

Status MayCall(std::string_view certificate_name, std::string_view method) {
  const auto* const rule = std::find_if(kRules.begin(), kRules.end(),
                                        [&](const Rule& each) { return each.method == method; });
  const bool is_worker = IsWorker(certificate_name);
  if (rule == kRules.end() && is_worker) {
    return Failure(Denied("a worker may not call " + std::string(Short(method)) +
                          ": this certificate's common name is " + Quoted(certificate_name) +
                          "; use one whose name does not begin with " +
                          Quoted(domain::kWorkerPrefix)));
  }
  if (rule != kRules.end() && rule->callers == Callers::kWorkers && !is_worker) {
    return Failure(NotAWorkers(certificate_name));
  }
  return {};
}

Status MayBeNode(std::string_view certificate_name, std::string_view node) {
  if (!IsWorker(certificate_name) || NodeOf(certificate_name).empty()) {
    return Failure(NotAWorkers(certificate_name));
  }
  const std::string own(NodeOf(certificate_name));
  if (own == node) return {};
  return Failure(Denied("a worker of the certificate " + Quoted(certificate_name) +
                        " may be node " + Quoted(own) + " alone, not " + Quoted(node) +
                        ": set node_id to " + own + " or leave it out, or give this node a " +
                        "certificate of its own with the common name " +
                        Quoted(std::string(domain::kWorkerPrefix) + std::string(node))));
}

}  // namespace lathe::access
