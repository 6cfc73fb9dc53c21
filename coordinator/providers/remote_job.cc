#include "coordinator/providers/remote_job.h"

#include <algorithm>

#include "coordinator/providers/remote_read.h"

namespace lathe::providers {
namespace {

/// A service that always has one more page must not keep us for ever.
constexpr std::size_t kMostPages = 1000;

Result<Json> ParseAnswer(const Engine& engine, const HttpResponse& response) {
  Json json = Json::parse(response.body, nullptr, false);
  if (!json.is_discarded()) return json;
  return Failure(ErrorCode::kDataLoss, engine.title + " answered something that is not JSON");
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
  RequestTemplate request = *engine_.find;
  Placeholders known = placeholders;
  for (std::size_t page = 0; page < kMostPages; ++page) {
    LATHE_ASSIGN_OR_RETURN(const Json answer, CallForJson(request, known));
    const std::vector<Json> entries = ListAt(answer, request.list);
    for (const Json& entry : entries) {
      if (Matches(request, entry, placeholders)) return TextAt(entry, request.id);
    }
    if (!request.pages) break;
    const auto next = NextPage(*request.pages, engine_.find->path, answer, entries.size(), page);
    if (!next) break;
    known["last_id"] = TextAt(entries.back(), request.id);
    request.path = *next;
  }
  return std::string();
}

auto RemoteEngine::Create(const v1::JobConfiguration& configuration,
                          Placeholders placeholders) const
    -> tl::expected<std::string, CreateError> {
  const RequestTemplate& create = *engine_.create;
  const EngineRequest request =
      FillRequest(create, placeholders, CreateBody(engine_, configuration));
  const HttpResult answer = http_.Send(ToHttp(request, create));
  const bool exists =
      !answer && create.exists == 409 && answer.error().error.code == ErrorCode::kAlreadyExists;
  if (!answer && !exists) {
    if (!answer.error().may_have_happened) {
      return tl::unexpected(CreateError{answer.error().error, false});
    }
    // The answer is lost, perhaps the job is not.
    auto found = FindMarked(placeholders);
    if (found && !found->empty()) return std::move(*found);
    return tl::unexpected(
        CreateError{{ErrorCode::kUnavailable,
                     "nobody knows whether " + engine_.title +
                         " started the job; the same call again finds it or starts it: " +
                         answer.error().error.message,
                     {}},
                    true});
  }
  if (answer) SaveFrom(create, *answer, placeholders);
  for (const auto& [name, text] : create.known) placeholders[name] = Fill(text, placeholders);
  const auto id = placeholders.find("job_id");
  if (id != placeholders.end()) return id->second;
  // It is started: its id can only be looked for.
  auto found = FindMarked(placeholders);
  if (!found) return tl::unexpected(CreateError{found.error(), true});
  if (!found->empty()) return std::move(*found);
  return tl::unexpected(CreateError{
      {ErrorCode::kDataLoss, engine_.title + " answered without the job's id", {}}, true});
}

Result<std::string> RemoteEngine::Start(const v1::JobConfiguration& configuration,
                                        const std::string& marker,
                                        const std::map<std::string, DataFile>& files,
                                        const StartOptions& options) const {
  Placeholders placeholders = KnownPlaceholders(engine_, configuration);
  placeholders["marker"] = marker;
  if (!options.is_new) {
    LATHE_ASSIGN_OR_RETURN(std::string known, FindMarked(placeholders));
    if (!known.empty()) return known;
  }
  std::vector<Placeholders> sent;
  Status ready = Upload(files, options, placeholders, sent);
  if (ready && options.before_create) ready = options.before_create();
  if (!ready) return Failure(Discard(std::move(ready.error()), sent));
  auto id = Create(configuration, std::move(placeholders));
  if (id) return std::move(*id);
  // What it may use stays.
  if (id.error().may_have_started) return Failure(std::move(id.error().error));
  return Failure(Discard(std::move(id.error().error), sent));
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

Result<std::vector<RemoteEvent>> RemoteEngine::EventPages(const EventTemplate& form,
                                                          const Placeholders& placeholders,
                                                          const KnownEvents* known) const {
  RequestTemplate request = *form.request;
  Placeholders filled = placeholders;
  if (known != nullptr && !form.since.empty() && known->last_step > 0) {
    request.path += "?" + form.since + "=" + std::to_string(known->last_step);
  }
  const std::string first = request.path;
  std::vector<RemoteEvent> all;
  for (std::size_t page = 0; page < kMostPages; ++page) {
    LATHE_ASSIGN_OR_RETURN(const Json answer, CallForJson(request, filled));
    const std::vector<RemoteEvent> events = ReadEvents(form, answer);
    all.insert(all.begin(), events.begin(), events.end());
    if (known == nullptr || !form.pages) break;
    if (std::any_of(events.begin(), events.end(), known->knows)) break;
    const auto next = NextPage(*form.pages, first, answer, events.size(), page);
    if (!next) break;
    filled["last_id"] = events.front().id;
    request.path = *next;
  }
  return all;
}

Result<std::vector<RemoteEvent>> RemoteEngine::Events(const EventTemplate& form,
                                                      const Placeholders& placeholders,
                                                      const KnownEvents* known) const {
  auto events = EventPages(form, placeholders, known);
  // Where the service has none of this kind (an older one behind a gateway, an account that may not
  // see them), the job is followed without them.
  const bool refused = !events && (events.error().code == ErrorCode::kNotFound ||
                                   events.error().code == ErrorCode::kInvalidArgument ||
                                   events.error().code == ErrorCode::kPermissionDenied);
  if (refused) return std::vector<RemoteEvent>();
  return events;
}

Result<RemoteJob> RemoteEngine::Query(const std::string& job_id, const KnownEvents* known) const {
  const Placeholders placeholders = {{"job_id", job_id}};
  LATHE_ASSIGN_OR_RETURN(const Json answer, CallForJson(*engine_.query, placeholders));
  RemoteJob job = ReadJob(engine_, answer);
  job.id = job_id;
  if (job.their_state.empty()) {
    return Failure(ErrorCode::kDataLoss, engine_.title + " answered without the job's state");
  }
  for (const EventTemplate& form : engine_.events) {
    std::vector<RemoteEvent> events;
    if (form.request) {
      LATHE_ASSIGN_OR_RETURN(events, Events(form, placeholders, known));
    } else {
      events = ReadEvents(form, answer);
    }
    for (RemoteEvent& event : events) {
      if (!event.failure.empty() && job.error.empty()) job.error = event.failure;
      job.events.push_back(std::move(event));
    }
  }
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
