#pragma once
// The data files of this room, compiled in by common/cmake/LatheEmbed.cmake.

#include <span>
#include <string_view>

namespace lathe::schema {

struct EmbeddedText {
  std::string_view name;  ///< of the file, without folder and suffix
  std::string_view text;
};

/// common/schema/templates/*.yaml, in the order in which they are offered.
std::span<const EmbeddedText> EmbeddedTemplates();

/// One file: common/schema/method_profiles.yaml.
std::span<const EmbeddedText> EmbeddedMethodProfiles();

}  // namespace lathe::schema
