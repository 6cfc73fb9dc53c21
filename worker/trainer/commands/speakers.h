#pragma once
// Who answers prompts: the base model, one adapter of it, or a composition of several. Folders are
// known by their numbers, so that each is loaded once however often it takes part.

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/composition/composition_text.h"
#include "worker/trainer/adapters/composition.h"
#include "worker/trainer/commands/loaded_model.h"
#include "worker/trainer/commands/speaker_arguments.h"

namespace lathe::trainer::commands {

struct SpeakerMember {
  std::string name;
  std::size_t folder = 0;  ///< index into Speakers::folders
  adapters::AdapterWeights weights;
};

struct Speaker {
  std::string name;
  adapters::CompositionMethod method = adapters::CompositionMethod::kAdditive;
  std::vector<SpeakerMember> members;  ///< one for an adapter alone; none for the base

  bool is_base() const { return members.empty(); }
};

class Speakers {
 public:
  /// Those of a command line: the base if wanted or if nobody else is named, then the adapters and
  /// the compositions. kInvalidArgument with all that is wrong.
  static Result<Speakers> Parse(const SpeakerArguments& arguments);

  /// The index of who a prompt names: null for the base, the name of an adapter or a composition,
  /// the folder of an adapter, or a composition as ReadComposition reads it. May add one.
  Result<std::size_t> Find(const nlohmann::ordered_json& given);

  const std::vector<Speaker>& all() const { return all_; }
  const std::vector<std::filesystem::path>& folders() const { return folders_; }
  /// How many of them answer a prompt that names nobody: the first ones.
  std::size_t asked() const { return asked_; }

 private:
  Status AddGiven(const nlohmann::ordered_json& given);
  Status AddAdapter(const std::string& given);
  Status AddComposition(const composition::Composition& written);
  Status CheckNewName(const std::string& name) const;
  /// The number of a folder, or of the adapter of that name.
  Result<std::size_t> FolderOf(const std::string& given);
  std::size_t FolderAt(const std::filesystem::path& path);

  std::vector<Speaker> all_;
  std::vector<std::filesystem::path> folders_;
  std::map<std::string, std::size_t> named_;    ///< adapters' folders
  std::map<std::string, std::size_t> written_;  ///< speakers by the JSON that named them
  std::size_t asked_ = 0;
};

/// kInvalidArgument with all that keeps any of them from answering.
Status CheckSpeakers(const Speakers& speakers, const LoadedModel& loaded);

/// What one that CheckSpeakers accepts adds to the model; see adapters::Compose.
model::Additions AdditionsOf(const Speaker& speaker, const LoadedModel& loaded);

}  // namespace lathe::trainer::commands
