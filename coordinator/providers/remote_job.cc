#include "coordinator/providers/remote_job.h"

#include <algorithm>

#include "coordinator/providers/remote_read.h"

namespace lathe::providers {
namespace {

constexpr std::string_view kHeader = "header:";
/// A service that always has one more page must not keep us for ever.
constexpr int kMostPages = 1000;

Result<Json> ParseAnswer(const Engine& engine, const HttpResponse& response) {
  Json json = Json::parse(response.body, nullptr, false);
  if (!json.is_discarded()) return json;
  return Failure(ErrorCode::kDataLoss, engine.title + " answered something that is not JSON");
}

/// The text of the first of these places that has one.
std::string FirstOf(const std::vector<std::string>& places, const HttpResponse& response,
                    const Json& json) {
  for (const std::string& place : places) {
    std::string text;
    if (place.starts_with(kHeader)) {
      std::string name = place.substr(kHeader.size());
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return std::tolower(c); });
      const auto header = response.headers.find(name);
      if (header != response.headers.end()) text = header->second;
    } else {
      text = TextAt(json, place);
    }
    if (!text.empty()) return text;
  }
  return "";
}

void Save(const RequestTemplate& request, const HttpResponse& response,
          Placeholders& placeholders) {
  const Json json = Json::parse(response.body, nullptr, false);
  for (const auto& [name, places] : request.save) {
    const std::string text = FirstOf(places, response, json);
    if (!text.empty()) placeholders[name] = text;
  }
}

bool Matches(const RequestTemplate& find, const Json& entry, const Placeholders& placeholders) {
  const auto equal = [&](const auto& condition) {
    return TextAt(entry, condition.first) == Fill(condition.second, placeholders);
  };
  const auto part = [&](const auto& condition) {
    return TextAt(entry, condition.first).find(Fill(condition.second, placeholders)) !=
           std::string::npos;
  };
  return std::all_of(find.match.begin(), find.match.end(), equal) &&
         std::all_of(find.contains.begin(), find.contains.end(), part);
}

}  // namespace

HttpRequest RemoteEngine::ToHttp(const EngineRequest& request, const RequestTemplate& from) const {
  HttpRequest out;
  out.method = request.method;
  out.url = request.path.starts_with("/") ? access_.base_url + request.path : request.path;
  out.headers = request.headers;
  if (!from.without_key) out.headers["Authorization"] = "Bearer " + access_.api_key;
  if (from.form) {
    out.form = request.form;
  } else if (!request.body.is_null()) {
    out.body = request.body.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  out.file_part = request.file_part;
  out.expect = from.expect;
  // An idempotency header is sent where there is one, and not relied on: no reference promises what
  // it does. What is lost is looked for instead.
  out.repeatable = from.repeatable;
  return out;
}

HttpResult RemoteEngine::Call(const RequestTemplate& request,
                              const Placeholders& placeholders) const {
  return http_.Send(ToHttp(FillRequest(request, placeholders, nullptr), request));
}

Result<Json> RemoteEngine::CallForJson(const RequestTemplate& request,
                                       const Placeholders& placeholders) const {
  const HttpResult answer = Call(request, placeholders);
  if (!answer) return Failure(answer.error().error.WithContext(request.name));
  return ParseAnswer(engine_, *answer);
}

Result<std::string> RemoteEngine::FindMarked(const Placeholders& placeholders) const {
  if (!engine_.find) return std::string();
  LATHE_ASSIGN_OR_RETURN(const Json answer, CallForJson(*engine_.find, placeholders));
  for (const Json& entry : ListAt(answer, engine_.find->list)) {
    if (Matches(*engine_.find, entry, placeholders)) return TextAt(entry, engine_.find->id);
  }
  return std::string();
}

Status RemoteEngine::UploadStep(const RequestTemplate& step, const DataFile& file,
                                Placeholders& placeholders) const {
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
  const HttpResult answer = http_.Send(request);
  if (!answer) return Failure(answer.error().error.WithContext(step.name));
  Save(step, *answer, placeholders);
  return {};
}

Result<std::string> RemoteEngine::Upload(const std::string& role, const DataFile& file,
                                         Placeholders placeholders) const {
  placeholders["file_role"] = role;
  placeholders["file_name"] = placeholders.at("marker") + "-" + role + ".jsonl";
  placeholders["file_sha256"] = file.sha256;
  for (const RequestTemplate& step : engine_.upload) {
    if (!step.only_if_saved.empty() && !placeholders.contains(step.only_if_saved)) continue;
    LATHE_RETURN_IF_ERROR(UploadStep(step, file, placeholders));
  }
  const std::string reference = Fill(engine_.file_reference, placeholders);
  if (reference.find('{') == std::string::npos) return reference;
  return Failure(ErrorCode::kDataLoss,
                 engine_.title + " took the " + role + " file and did not name it");
}

Result<std::string> RemoteEngine::Create(const v1::JobConfiguration& configuration,
                                         Placeholders placeholders) const {
  const RequestTemplate& create = *engine_.create;
  const EngineRequest request =
      FillRequest(create, placeholders, CreateBody(engine_, configuration));
  const HttpResult answer = http_.Send(ToHttp(request, create));
  const bool exists =
      !answer && create.exists == 409 && answer.error().error.code == ErrorCode::kAlreadyExists;
  if (!answer && !exists) {
    if (!answer.error().may_have_happened) return Failure(answer.error().error);
    // The answer is lost, perhaps the job is not.
    auto found = FindMarked(placeholders);
    if (found && !found->empty()) return found;
    return Failure(ErrorCode::kUnavailable,
                   "nobody knows whether " + engine_.title +
                       " started the job; the same call again finds it or starts it: " +
                       answer.error().error.message);
  }
  if (answer) Save(create, *answer, placeholders);
  for (const auto& [name, text] : create.known) placeholders[name] = Fill(text, placeholders);
  const auto id = placeholders.find("job_id");
  if (id != placeholders.end()) return id->second;
  // It is started: its id can only be looked for.
  LATHE_ASSIGN_OR_RETURN(std::string found, FindMarked(placeholders));
  if (!found.empty()) return found;
  return Failure(ErrorCode::kDataLoss, engine_.title + " answered without the job's id");
}

Result<std::string> RemoteEngine::Start(const v1::JobConfiguration& configuration,
                                        const std::string& marker,
                                        const std::map<std::string, DataFile>& files,
                                        const BeforeCreate& before_create) const {
  Placeholders placeholders = KnownPlaceholders(engine_, configuration);
  placeholders["marker"] = marker;
  LATHE_ASSIGN_OR_RETURN(std::string known, FindMarked(placeholders));
  if (!known.empty()) return known;
  for (const auto& [role, file] : files) {
    LATHE_ASSIGN_OR_RETURN(placeholders[role + "_file"], Upload(role, file, placeholders));
  }
  if (before_create) LATHE_RETURN_IF_ERROR(before_create());
  return Create(configuration, std::move(placeholders));
}

Result<std::string> RemoteEngine::Find(const v1::JobConfiguration& configuration,
                                       const std::string& marker) const {
  Placeholders placeholders = KnownPlaceholders(engine_, configuration);
  placeholders["marker"] = marker;
  const auto known = engine_.create->known.find("job_id");
  if (engine_.find || known == engine_.create->known.end()) return FindMarked(placeholders);
  // Its id there is ours.
  std::string id = Fill(known->second, placeholders);
  const auto job = Query(id);
  if (job) return id;
  if (job.error().code == ErrorCode::kNotFound) return std::string();
  return Failure(job.error());
}

Result<std::vector<RemoteEvent>> RemoteEngine::Events(Placeholders placeholders,
                                                      const KnowsEvent& knows) const {
  const EventTemplate& form = *engine_.events;
  RequestTemplate request = *form.request;
  std::vector<RemoteEvent> all;
  for (int page = 0; page < kMostPages; ++page) {
    LATHE_ASSIGN_OR_RETURN(const Json answer, CallForJson(request, placeholders));
    const std::vector<RemoteEvent> events = ReadEvents(form, answer);
    all.insert(all.begin(), events.begin(), events.end());
    const bool more = knows && !form.more.empty() && !events.empty() && IsTrueAt(answer, form.more);
    if (!more || std::any_of(events.begin(), events.end(), knows)) break;
    placeholders["event_id"] = events.front().id;
    request.path = form.request->path + "&" + form.page_parameter + "={event_id}";
  }
  return all;
}

Result<RemoteJob> RemoteEngine::Query(const std::string& job_id, const KnowsEvent& knows) const {
  const Placeholders placeholders = {{"job_id", job_id}};
  LATHE_ASSIGN_OR_RETURN(const Json answer, CallForJson(*engine_.query, placeholders));
  RemoteJob job = ReadJob(engine_, answer);
  job.id = job_id;
  if (job.their_state.empty()) {
    return Failure(ErrorCode::kDataLoss, engine_.title + " answered without the job's state");
  }
  if (!engine_.events) return job;
  if (!engine_.events->request) {
    job.events = ReadEvents(*engine_.events, answer);
    return job;
  }
  LATHE_ASSIGN_OR_RETURN(job.events, Events(placeholders, knows));
  return job;
}

Status RemoteEngine::Cancel(const std::string& job_id) const {
  const HttpResult answer = Call(*engine_.cancel, {{"job_id", job_id}});
  if (answer) return {};
  // Services refuse to cancel what has ended; the job itself tells.
  const Error refused = answer.error().error;
  const auto job = Query(job_id);
  const bool ended =
      job && (job->state == RemoteState::kSucceeded || job->state == RemoteState::kFailed ||
              job->state == RemoteState::kCancelled);
  if (ended) return {};
  return Failure(refused);
}

}  // namespace lathe::providers
