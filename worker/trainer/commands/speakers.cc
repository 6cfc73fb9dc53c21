#include "worker/trainer/commands/speakers.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/json/parse_json.h"
#include "worker/trainer/commands/collected_errors.h"
#include "worker/trainer/commands/composition_limits.h"

namespace lathe::trainer::commands {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kBase[] = "base";

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

/// "NAME=DIR", or a folder that is called by its own name.
std::pair<std::string, std::filesystem::path> NameAndFolder(const std::string& given) {
  const std::size_t at = given.find('=');
  if (at != std::string::npos && at > 0 && !Exists(given)) {
    return {given.substr(0, at), given.substr(at + 1)};
  }
  return {given, given};
}

std::vector<adapters::ComposedAdapter> Composed(const Speaker& speaker, const LoadedModel& loaded) {
  std::vector<adapters::ComposedAdapter> composed;
  for (const SpeakerMember& member : speaker.members) {
    composed.push_back({member.name, loaded.adapters[member.folder], member.weights});
  }
  return composed;
}

}  // namespace

Result<Speakers> Speakers::Parse(const SpeakerArguments& arguments) {
  Speakers speakers;
  CollectedErrors errors;
  if (arguments.with_base || (arguments.adapters.empty() && arguments.compositions.empty())) {
    speakers.all_.push_back({.name = kBase, .members = {}});
  }
  for (const std::string& given : arguments.adapters) {
    if (const Status added = speakers.AddAdapter(given); !added) {
      errors.Add("--adapter " + given, added.error());
    }
  }
  for (const std::string& given : arguments.compositions) {
    const auto written = composition::ParseComposition(given, Exists);
    const Status added =
        written ? speakers.AddComposition(*written) : Status(Failure(written.error()));
    if (!added) errors.Add("--compose " + given, added.error());
  }
  LATHE_RETURN_IF_ERROR(std::move(errors).Take());
  speakers.asked_ = speakers.all_.size();
  return speakers;
}

Result<std::size_t> Speakers::Find(const Json& given) {
  const std::string text = ToText(given);
  if (const auto known = written_.find(text); known != written_.end()) return known->second;
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const Speaker& speaker) {
    return speaker.is_base() ? given.is_null() : given == speaker.name;
  });
  const auto index = static_cast<std::size_t>(found - all_.begin());
  if (found == all_.end()) LATHE_RETURN_IF_ERROR(AddGiven(given));
  written_[text] = index;
  return index;
}

Status Speakers::AddGiven(const Json& given) {
  if (given.is_null()) {
    all_.push_back({.name = kBase, .members = {}});
    return {};
  }
  if (given.is_string()) {
    const auto name = given.get<std::string>();
    LATHE_ASSIGN_OR_RETURN(const std::size_t folder, FolderOf(name));
    all_.push_back({.name = name, .members = {{name, folder, {}}}});
    return {};
  }
  LATHE_ASSIGN_OR_RETURN(composition::Composition written, composition::ReadComposition(given));
  if (written.name.empty()) written.name = ToText(given);
  return AddComposition(written);
}

Status Speakers::AddAdapter(const std::string& given) {
  const auto [name, folder] = NameAndFolder(given);
  LATHE_RETURN_IF_ERROR(CheckNewName(name));
  const std::size_t index = FolderAt(folder);
  named_[name] = index;
  all_.push_back({.name = name, .members = {{name, index, {}}}});
  return {};
}

Status Speakers::AddComposition(const composition::Composition& written) {
  CollectedErrors errors;
  if (const Status is_new = CheckNewName(written.name); !is_new) {
    errors.Add(written.name, is_new.error());
  }
  if (auto findings = CheckLimits(written); !findings.empty()) {
    const Finding& first = findings[0];
    Error error{ErrorCode::kInvalidArgument,
                first.path + ": " + first.message + "; expected " + first.expected,
                {},
                {}};
    error.findings = std::move(findings);
    errors.Add(written.name, error);
  }
  Speaker speaker{.name = written.name, .method = written.method, .members = {}};
  for (const composition::Member& member : written.members) {
    const auto folder = FolderOf(member.adapter);
    if (!folder) {
      errors.Add(written.name, folder.error());
      continue;
    }
    for (const SpeakerMember& other : speaker.members) {
      if (other.folder != *folder) continue;
      errors.Add(written.name, {ErrorCode::kInvalidArgument,
                                member.adapter + " and " + other.name +
                                    " are the same adapter: give it once, with one weight",
                                {},
                                {}});
    }
    speaker.members.push_back({member.adapter, *folder, member.weights});
  }
  LATHE_RETURN_IF_ERROR(std::move(errors).Take());
  all_.push_back(std::move(speaker));
  return {};
}

Status Speakers::CheckNewName(const std::string& name) const {
  const bool taken = std::any_of(all_.begin(), all_.end(), [&](const Speaker& speaker) {
    return !speaker.is_base() && speaker.name == name;
  });
  if (!taken) return {};
  return Failure(ErrorCode::kInvalidArgument,
                 "the name \"" + name + "\" is taken: give each its own, as in NAME=...");
}

Result<std::size_t> Speakers::FolderOf(const std::string& given) {
  if (const auto known = named_.find(given); known != named_.end()) return known->second;
  if (Exists(given)) return FolderAt(given);
  std::string names;
  for (const auto& [name, folder] : named_) names += (names.empty() ? "" : ", ") + name;
  return Failure(ErrorCode::kNotFound,
                 "there is no adapter \"" + given + "\": neither a folder nor " +
                     (names.empty() ? "the name of an --adapter" : "one of " + names));
}

std::size_t Speakers::FolderAt(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto same = std::find_if(folders_.begin(), folders_.end(), [&](const auto& other) {
    return other == path || std::filesystem::equivalent(other, path, ignored);
  });
  if (same == folders_.end()) {
    folders_.push_back(path);
    return folders_.size() - 1;
  }
  return static_cast<std::size_t>(same - folders_.begin());
}

Status CheckSpeakers(const Speakers& speakers, const LoadedModel& loaded) {
  CollectedErrors errors;
  for (const Speaker& speaker : speakers.all()) {
    if (speaker.is_base() && loaded.replaced) {
      errors.Add(speaker.name,
                 {ErrorCode::kInvalidArgument,
                  speakers.folders()[0].string() +
                      " is a whole model, beside which the base is not loaded; ask it by itself",
                  {},
                  {}});
    }
    const Status checked = adapters::CheckComposition(loaded.decoder, Composed(speaker, loaded));
    if (!checked) errors.Add(speaker.name, checked.error());
  }
  return std::move(errors).Take();
}

model::Additions AdditionsOf(const Speaker& speaker, const LoadedModel& loaded) {
  return adapters::Compose(loaded.decoder, speaker.method, Composed(speaker, loaded));
}

}  // namespace lathe::trainer::commands
