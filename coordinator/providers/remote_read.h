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

/// State, error, model and progress of an answer to `query`.
RemoteJob ReadJob(const Engine& engine, const Json& answer);
/// Events of an answer that has them, oldest first.
std::vector<RemoteEvent> ReadEvents(const EventTemplate& events, const Json& answer);

}  // namespace lathe::providers
