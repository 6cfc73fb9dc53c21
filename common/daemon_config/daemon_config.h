#pragma once
// A daemon's configuration from its command line, its environment and a YAML file, all described by
// one table of keys. A key `tls.client_ca` of a daemon with prefix LATHE_COORDINATOR is the flag
// `--tls-client-ca`, the variable LATHE_COORDINATOR_TLS_CLIENT_CA and, in the file, `client_ca`
// under `tls`. Flags win over the environment, the environment over the file, the file over the
// default. All errors are found at once and name where the value came from. Pure but for reading
// the file; thread-safe.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace lathe::daemon_config {

enum class Kind : std::uint8_t {
  kText,     ///< one of `choices` when there are any
  kAddress,  ///< host:port, [IPv6]:port or unix:path
  kPath,     ///< relative ones from the file count from the file's folder
  kInteger,  ///< within [min, max]
  kNumber,   ///< fractions allowed, within [min, max]
  kSeconds,  ///< a number, fractions allowed, within [min, max]
};

/// One row of the table.
struct Key {
  std::string name;  ///< lower case, dots for sections
  Kind kind = Kind::kText;
  std::string default_value;  ///< empty: not set
  std::string help;           ///< a sentence without a full stop
  double min = 0;
  double max = 0;
  std::vector<std::string> choices;
};

struct Description {
  std::string program;             ///< "lathe-coordinator"
  std::string summary;             ///< first line of --help
  std::string environment_prefix;  ///< "LATHE_COORDINATOR"
  std::string version;
  std::vector<Key> keys;
};

/// Checked values. Asking for a key that the table lacks, or as another kind, is a bug.
class Values {
 public:
  /// Empty when not set. Of any kind.
  const std::string& Text(std::string_view key) const;
  std::filesystem::path Path(std::string_view key) const;
  std::int64_t Integer(std::string_view key) const;
  Duration Seconds(std::string_view key) const;
  /// nullopt when not set.
  std::optional<double> Number(std::string_view key) const;

 private:
  friend class Loader;
  std::map<std::string, std::string, std::less<>> values_;
};

/// What the command line asks for.
struct Outcome {
  enum class Action : std::uint8_t {
    kRun,
    kCheckOnly,  ///< --check-config: `values` are right, nothing is to be started
    kPrint,      ///< --help, --version: print `text` and leave with 0
  };
  Action action = Action::kRun;
  Values values;
  std::string text;
};

using Environment = std::map<std::string, std::string, std::less<>>;
/// The process's environment.
Environment ProcessEnvironment();

/// kInvalidArgument with a finding per wrong value. A finding's path is the key; its message tells
/// flag, variable or file and line.
Result<Outcome> Load(const Description& description, const std::vector<std::string>& arguments,
                     const Environment& environment);

}  // namespace lathe::daemon_config
