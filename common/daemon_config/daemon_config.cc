#include "common/daemon_config/daemon_config.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "common/base/check.h"
#include "common/daemon_config/yaml_file.h"
#include "common/schema/suggest.h"

namespace lathe::daemon_config {
namespace {

namespace fs = std::filesystem;

std::string FlagOf(const Key& key) {
  std::string flag = "--" + key.name;
  std::replace(flag.begin(), flag.end(), '.', '-');
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string VariableOf(const Description& description, const Key& key) {
  std::string variable = description.environment_prefix + "_" + key.name;
  for (char& c : variable) {
    c = c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return variable;
}

std::string HelpOf(const Description& description, const Key& key) {
  std::string help = key.help;
  if (!key.default_value.empty()) help += " [" + key.default_value + "]";
  return help + "; " + VariableOf(description, key);
}

std::optional<double> ParseNumber(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) return {};
  return number;
}

bool IsAddress(std::string_view text) {
  if (text.starts_with("unix:")) return text.size() > 5;
  const auto colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return false;
  const std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (host.find(':') != host.npos && !bracketed) return false;
  const auto port = ParseNumber(std::string(text.substr(colon + 1)));
  return port && *port >= 0 && *port <= 65535 && std::floor(*port) == *port;
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string Plain(double number) {
  std::string text = std::to_string(number);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

/// What is wrong with a value, as "expected"; empty when it is right.
std::string ExpectedInstead(const Key& key, const std::string& text) {
  if (text.empty() && key.default_value.empty()) return "";
  if (key.kind == Kind::kInteger || key.kind == Kind::kNumber || key.kind == Kind::kSeconds) {
    const bool whole = key.kind == Kind::kInteger;
    const auto number = ParseNumber(text);
    const bool fits = number && *number >= key.min && *number <= key.max &&
                      (!whole || std::floor(*number) == *number);
    if (fits) return "";
    const bool seconds = key.kind == Kind::kSeconds;
    return std::string(whole ? "a whole number" : "a number") + (seconds ? " of seconds" : "") +
           " from " + Plain(key.min) + " to " + Plain(key.max);
  }
  if (key.kind == Kind::kAddress) {
    return IsAddress(text) ? "" : "an address with a port, as 127.0.0.1:7420";
  }
  const bool known = key.choices.empty() ||
                     std::find(key.choices.begin(), key.choices.end(), text) != key.choices.end();
  return known ? "" : "one of " + Join(key.choices);
}

}  // namespace

class Loader {
 public:
  Loader(const Description& description, const Environment& environment)
      : description_(description), environment_(environment) {
    for (const Key& key : description.keys) {
      names_.push_back(key.name);
      values_.values_[key.name] = key.default_value;
    }
  }

  Result<Outcome> Load(std::vector<std::string> arguments) {
    CLI::App app(description_.summary, description_.program);
    std::string file;
    bool check_only = false;
    app.set_version_flag("--version", description_.program + " " + description_.version);
    app.add_option("--config", file, "YAML file with the keys below");
    app.add_flag("--check-config", check_only, "Check the configuration and exit");
    std::map<std::string, std::string> flags;
    for (const Key& key : description_.keys) {
      app.add_option(FlagOf(key), flags[key.name], HelpOf(description_, key))
          ->type_name(key.kind == Kind::kPath ? "PATH" : "VALUE");
    }
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    try {
      app.parse(arguments);
    } catch (const CLI::CallForHelp&) {
      return Outcome{Outcome::Action::kPrint, {}, app.help()};
    } catch (const CLI::CallForVersion&) {
      return Outcome{Outcome::Action::kPrint, {}, app.version() + "\n"};
    } catch (const CLI::ParseError& e) {
      return Failure(ErrorCode::kInvalidArgument, std::string(e.what()) + " (see --help)");
    }
    if (!file.empty()) LATHE_RETURN_IF_ERROR(TakeFile(file));
    TakeEnvironment();
    for (const Key& key : description_.keys) {
      if (app.count(FlagOf(key)) > 0) Take(key, flags[key.name], FlagOf(key));
    }
    if (!findings_.empty()) return Failure(Error{ErrorCode::kInvalidArgument, Title(), findings_});
    return Outcome{check_only ? Outcome::Action::kCheckOnly : Outcome::Action::kRun, values_, ""};
  }

 private:
  std::string Title() const { return "the configuration of " + description_.program + " is wrong"; }

  Status TakeFile(const fs::path& path) {
    LATHE_ASSIGN_OR_RETURN(const auto entries, ReadYamlFile(path));
    for (const FileValue& entry : entries) {
      const std::string origin = path.string() + ":" + std::to_string(entry.line);
      const Key* key = Find(entry.key);
      if (key == nullptr) {
        AddUnknown(entry.key, origin);
        continue;
      }
      const bool relative =
          key->kind == Kind::kPath && !entry.text.empty() && fs::path(entry.text).is_relative();
      Take(*key, relative ? (fs::absolute(path).parent_path() / entry.text).string() : entry.text,
           origin);
    }
    return {};
  }

  // An unknown variable is no error: container platforms add their own of the same prefix, for
  // example LATHE_COORDINATOR_PORT for a service of that name.
  void TakeEnvironment() {
    for (const Key& key : description_.keys) {
      const std::string variable = VariableOf(description_, key);
      const auto found = environment_.find(variable);
      if (found != environment_.end()) Take(key, found->second, variable);
    }
  }

  void Take(const Key& key, const std::string& text, const std::string& origin) {
    const std::string expected = ExpectedInstead(key, text);
    if (!expected.empty()) {
      findings_.push_back({key.name, Severity::kError, "invalid_value",
                           origin + ": " + key.name + " must be " + expected + ".",
                           "\"" + text + "\"", expected});
      return;
    }
    values_.values_[key.name] = text;
  }

  void AddUnknown(const std::string& name, const std::string& origin) {
    const std::string closest = schema::Nearest(name, names_);
    const std::string hint = closest.empty() ? "" : " Did you mean " + closest + "?";
    findings_.push_back({name, Severity::kError, "unknown_key",
                         origin + ": there is no key " + name + "." + hint, "",
                         closest.empty() ? "one of " + Join(names_) : closest});
  }

  const Key* Find(std::string_view name) const {
    const auto found = std::find_if(description_.keys.begin(), description_.keys.end(),
                                    [&](const Key& key) { return key.name == name; });
    return found == description_.keys.end() ? nullptr : &*found;
  }

  const Description& description_;
  const Environment& environment_;
  std::vector<std::string> names_;
  Values values_;
  std::vector<Finding> findings_;
};

const std::string& Values::Text(std::string_view key) const {
  const auto found = values_.find(key);
  LATHE_CHECK(found != values_.end(), std::string("no key ") + std::string(key) + " is described");
  return found->second;
}

fs::path Values::Path(std::string_view key) const {
  return Text(key);
}

std::int64_t Values::Integer(std::string_view key) const {
  return static_cast<std::int64_t>(ParseNumber(Text(key)).value_or(0));
}

std::optional<double> Values::Number(std::string_view key) const {
  return ParseNumber(Text(key));
}

Duration Values::Seconds(std::string_view key) const {
  return Duration(std::llround(ParseNumber(Text(key)).value_or(0) * 1e6));
}

Environment ProcessEnvironment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals == text.npos) continue;
    environment.emplace(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
  }
  return environment;
}

Result<Outcome> Load(const Description& description, const std::vector<std::string>& arguments,
                     const Environment& environment) {
  return Loader(description, environment).Load(arguments);
}

}  // namespace lathe::daemon_config
