#pragma once
// What a service's answers mean, by its engine's description. Pure; never throws: what is not there
// or of another type is not told.

#include <string>
#include <vector>

#include "coordinator/providers/engine.h"
#include "coordinator/providers/remote_job.h"

namespace lathe::providers {

/// The text or number at a JSON pointer, as text; empty when there is none.
std::string TextAt(const Json& json, const std::string& pointer);
std::optional<double> NumberAt(const Json& json, const std::string& pointer);

/// Whether `true` stands at a pointer.
bool IsTrueAt(const Json& json, const std::string& pointer);

/// The list at a pointer; empty when there is none.
std::vector<Json> ListAt(const Json& json, const std::string& pointer);

/// What stands in an answer for each placeholder that the request saves, `header:Name` or a place
/// in the body; the first place that has something.
void SaveFrom(const RequestTemplate& request, const HttpResponse& response,
              Placeholders& placeholders);

/// The path of the page after the one at number `page` with these entries, before its placeholders
/// are filled in; nullopt when it was the last. `first` is the path of the first page; `last_id` is
/// set where the next one begins after an entry.
std::optional<std::string> NextPage(const Pages& pages, const std::string& first,
                                    const Json& answer, std::size_t entries, std::size_t page);

/// State, error, model and progress of an answer to `query`.
RemoteJob ReadJob(const Engine& engine, const Json& answer);
/// Events of an answer that has them, oldest first.
std::vector<RemoteEvent> ReadEvents(const EventTemplate& events, const Json& answer);

}  // namespace lathe::providers
