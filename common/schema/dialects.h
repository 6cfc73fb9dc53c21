#pragma once
// The older spellings of a job configuration, read into the universal one and written from it.
//
// What each dialect knows is one table (dialect_tables.cc): a row a key, with the universal
// parameter that it stands for and how the value is converted. Ranges and defaults are the
// schema's; the table has only those that a dialect has otherwise. Nothing is dropped in silence:
// what cannot be held is a finding of code `not_held`.
//
// All functions are pure, thread-safe and never throw.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::schema {

enum class Dialect {
  kUniversal,
  kLegacyHyperparameters,  ///< flat, after OpenAI's fine-tuning hyperparameters
  kSectioned,              ///< model, tokenizer, training, data, ...: tool-use configurations
  kAdapterTrainingConfig,  ///< flat: what an adapter was trained with
  kSimple,                 ///< rank, alpha, epochs, learningRate, batchSize
};

/// In the order of the enumeration.
inline constexpr Dialect kDialects[] = {Dialect::kUniversal, Dialect::kLegacyHyperparameters,
                                        Dialect::kSectioned, Dialect::kAdapterTrainingConfig,
                                        Dialect::kSimple};

/// `universal`, `legacy`, `sectioned`, `training_config`, `simple`.
std::string_view ToString(Dialect dialect);
std::optional<Dialect> DialectOf(std::string_view token);

struct Imported {
  Dialect dialect = Dialect::kUniversal;
  v1::JobConfiguration configuration;  ///< what could be read; complete only without errors
  /// Structure, the dialect's own rules (errors) and what could not be held or had to be
  /// interpreted (warnings). Paths are those of the file: `training.lora_r`.
  std::vector<Finding> findings;
};

/// Reads a configuration from JSON or YAML (JSON when it begins with `{` or `[`). Without a dialect
/// it is the one that knows most of the file's keys, the universal one before the others.
Imported Import(std::string_view text, std::optional<Dialect> dialect = std::nullopt);

/// Every finding on what was imported: Import's, then Validate's on the outcome, which name the
/// file's key beside the universal path. As AllFindings(Parsed).
std::vector<Finding> AllFindings(const Imported& imported);

struct Exported {
  std::string text;  ///< JSON, indented, with a final newline; secrets redacted
  /// What reading `text` again would not give back: code `not_held`, at universal paths. Only what
  /// the configuration sets, or what would take another value, is listed.
  std::vector<Finding> losses;
};

Exported Export(const v1::JobConfiguration& configuration, Dialect dialect);

}  // namespace lathe::schema
