#pragma once
// How answers are generated, as a table for a program without protobuf: what each setting may be,
// its default and its help. Generated from the options of lathe.v1.GenerateRequest; see
// generation_table.inc. Header-only.

#include <cstddef>
#include <string_view>

#include "worker/trainer/plan/parameter_defaults.h"
#include "worker/trainer/plan/parameter_table.h"

namespace lathe::trainer::plan {

struct GenerationParameter {
  Parameter value;        ///< its path is the option: "--top-k"
  std::size_t max_items;  ///< of a list of texts
  std::size_t max_bytes;  ///< of each of its texts
  std::string_view limits;
  std::string_view help;
};

inline constexpr GenerationParameter kGenerationParameters[] = {
#define LATHE_COMPOSITION_PARAMETER(...)
#define LATHE_GENERATION_PARAMETER(option, type, default_json, min, max, exclusive_min, max_items, \
                                   max_bytes, limits, help)                                        \
  {{option, ParameterType::type, default_json, min, max, exclusive_min, "", ""},                   \
   max_items,                                                                                      \
   max_bytes,                                                                                      \
   limits,                                                                                         \
   help},
#include "worker/trainer/plan/generation_table.inc"
};

/// Of a composition of adapters: how many there may be, and of what weights.
struct CompositionParameter {
  Parameter value;        ///< its path is that in a file: "adapters[].weight"
  std::size_t max_items;  ///< of a list
  std::string_view limits;
};

inline constexpr CompositionParameter kCompositionParameters[] = {
#define LATHE_GENERATION_PARAMETER(...)
#define LATHE_COMPOSITION_PARAMETER(path, type, default_json, min, max, exclusive_min, max_items, \
                                    limits)                                                       \
  {{path, ParameterType::type, default_json, min, max, exclusive_min, "", ""}, max_items, limits},
#include "worker/trainer/plan/generation_table.inc"
};

/// The row of a path, which there must be.
consteval CompositionParameter CompositionRow(std::string_view path) {
  for (const CompositionParameter& parameter : kCompositionParameters) {
    if (parameter.value.path == path) return parameter;
  }
  throw "there is no such parameter";
}

/// The default of a setting that is a number, as a constant.
consteval double GenerationDefault(std::string_view option) {
  for (const GenerationParameter& parameter : kGenerationParameters) {
    if (parameter.value.path == option) return NumberOf(parameter.value.default_json);
  }
  throw "there is no such option";
}

}  // namespace lathe::trainer::plan
