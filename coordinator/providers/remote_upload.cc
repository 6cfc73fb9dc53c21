// How a job's data gets to a service, and away from it again when the job is not started.

#include <chrono>

#include "coordinator/providers/remote_job.h"
#include "coordinator/providers/remote_read.h"

namespace lathe::providers {
namespace {

/// A service that hangs must not hold up the end of a job.
constexpr std::chrono::seconds kDiscardLimit{5};

}  // namespace

Status RemoteEngine::UploadStep(const RequestTemplate& step, const DataFile& file,
                                const StartOptions& options, Placeholders& placeholders) const {
  HttpRequest request = ToHttp(FillRequest(step, placeholders, nullptr), step);
  // An answer may send the data elsewhere; not to where it could be read on the way, and to this
  // machine only for a service on this machine.
  const bool safe = request.url.starts_with(access_.base_url + "/") ||
                    request.url.starts_with("https://") ||
                    (IsLoopback(access_.base_url) && IsLoopback(request.url));
  if (!safe) {
    return Failure(ErrorCode::kFailedPrecondition,
                   engine_.title + " wants the data sent to an address that is not https");
  }
  if (step.file_body || !step.file.empty()) {
    request.file = file.path;
    request.file_name = placeholders.at("file_name");
  }
  // A file that is there twice costs nothing but room.
  request.repeatable = true;
  request.cancelled = options.cancelled;
  const HttpResult answer = http_.Send(request);
  if (!answer && answer.error().error.code == ErrorCode::kCancelled) {
    return Failure(ErrorCode::kCancelled, "It was not started at " + engine_.title);
  }
  if (!answer) return Failure(answer.error().error.WithContext(step.name));
  SaveFrom(step, *answer, placeholders);
  for (const auto& [name, text] : step.known) placeholders[name] = Fill(text, placeholders);
  return {};
}

Status RemoteEngine::Upload(const std::map<std::string, DataFile>& files,
                            const StartOptions& options, Placeholders& placeholders,
                            std::vector<Placeholders>& sent) const {
  for (const auto& [role, file] : files) {
    Placeholders& own = sent.emplace_back(placeholders);
    own["file_role"] = role;
    own["file_name"] = own.at("marker") + "-" + role + ".jsonl";
    own["file_sha256"] = file.sha256;
    for (const RequestTemplate& step : engine_.upload) {
      if (!step.only_if_saved.empty() && !own.contains(step.only_if_saved)) continue;
      LATHE_RETURN_IF_ERROR(UploadStep(step, file, options, own));
    }
    const std::string reference = Fill(engine_.file_reference, own);
    if (reference.find('{') != std::string::npos) {
      return Failure(ErrorCode::kDataLoss,
                     engine_.title + " took the " + role + " file and did not name it");
    }
    placeholders[role + "_file"] = reference;
  }
  return {};
}

Error RemoteEngine::Discard(Error error, const std::vector<Placeholders>& sent) const {
  if (!engine_.discard) return error;
  const auto end = std::chrono::steady_clock::now() + kDiscardLimit;
  for (const Placeholders& file : sent) {
    // Without its name there nothing is known of it.
    if (FillPath(engine_.discard->path, file).find('{') != std::string::npos) continue;
    // A file that was there before is not ours to take away.
    const auto& needs = engine_.discard->only_if_saved;
    if (!needs.empty() && !file.contains(needs)) continue;
    HttpRequest request = ToHttp(FillRequest(*engine_.discard, file, nullptr), *engine_.discard);
    request.cancelled = [end] { return std::chrono::steady_clock::now() > end; };
    const HttpResult answer = http_.Send(request);
    if (answer || answer.error().error.code == ErrorCode::kNotFound) continue;
    error.message += "; the " + file.at("file_role") + " file " +
                     Fill(engine_.file_reference, file) + " is still there (" +
                     answer.error().error.message + ")";
  }
  return error;
}

}  // namespace lathe::providers
