#pragma once
// What each dialect knows: a row a key. Pure, built at compile time.

#include <span>
#include <string_view>

#include "common/schema/dialects.h"

namespace lathe::schema {

enum class Conversion {
  kSame,           ///< the value as it is
  kSameOrAuto,     ///< the same; `"auto"` is "not set"
  kTokens,         ///< one token for another, by Row::tokens
  kModules,        ///< a list of names, or one text with commas
  kMultiplier,     ///< a multiple of the schema's default, rounded to 15 digits; `"auto"` as above
  kPrecisionFlag,  ///< true: the precision Row::tokens[0].universal
  kUseLora,        ///< true: method lora; false: method full
  kDatasetType,    ///< supervised; or preference, which also means objective dpo
  kDevice,         ///< auto, cuda, cpu; `cuda:0` is cuda
  kStrategy,       ///< the universal tokens, and `hybrid`: custom, with the mixture in the metadata
  kOutput,         ///< a number that a run left behind; kept in the metadata under its own name
};

struct TokenPair {
  std::string_view dialect;
  std::string_view universal;
  bool exact = true;  ///< false: the nearest there is, which import says
};

struct Row {
  std::string_view key;   ///< in the file; dots separate sections
  std::string_view path;  ///< of the universal parameter
  Conversion conversion = Conversion::kSame;
  std::span<const TokenPair> tokens = {};  ///< the first exact one is written
  std::string_view default_value = {};     ///< JSON, where it is not the schema's
  bool required = false;
};

/// The rows in the order in which they are written; none for the universal dialect.
std::span<const Row> RowsOf(Dialect dialect);

/// The row of a key, or null.
const Row* FindRow(Dialect dialect, std::string_view key);

/// Under this key of the metadata stands of which strategies a `hybrid` data set is mixed.
inline constexpr std::string_view kMixtureKey = "strategies";
inline constexpr std::string_view kHybridParts[] = {"toolbench", "teacher_mode", "knowledge_dense"};

}  // namespace lathe::schema
