#pragma once
// The configurations that ship with Lathe, to start from. They are the files of
// common/schema/templates, compiled in. A template names no data: `datasets.trainingFileId` is what
// it lacks to be run. Built once, on first use; reading is thread-safe.

#include <span>
#include <string>
#include <string_view>

#include "lathe/v1/job_configuration.pb.h"

namespace lathe::schema {

struct Template {
  std::string name;         ///< `sft_toolbench`: how commands name it
  std::string title;        ///< a few words
  std::string description;  ///< what it is for, and why its values are what they are
  v1::JobConfiguration configuration;
};

/// In the order in which they are offered.
std::span<const Template> BuiltinTemplates();

/// The template of a name, or null.
const Template* FindTemplate(std::string_view name);

}  // namespace lathe::schema
