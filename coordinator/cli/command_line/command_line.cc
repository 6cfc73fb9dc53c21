#include "coordinator/cli/command_line/command_line.h"

#include <algorithm>
#include <map>
#include <utility>

#include "coordinator/cli/client/configuration_source.h"
#include "coordinator/cli/command_line/registry.h"
#include "coordinator/cli/command_line/suggestion.h"
#include "coordinator/cli/commands/list.h"

namespace lathe::cli {
namespace {

const std::map<std::string, OutputFormat>& Formats() {
  static const std::map<std::string, OutputFormat> formats = {{"table", OutputFormat::kTable},
                                                              {"json", OutputFormat::kJson},
                                                              {"yaml", OutputFormat::kYaml}};
  return formats;
}

void AddGlobalOptions(CLI::App& app, GlobalOptions& options) {
  app.add_option("-o,--output", options.format, "table, json or yaml")
      ->transform(CLI::CheckedTransformer(Formats()).description(""))
      ->type_name("FORMAT");
  app.add_option("--address", options.address,
                 "The coordinator; else LATHE_ADDRESS, what `up` started, or 127.0.0.1:7420")
      ->type_name("HOST:PORT");
  app.add_option("--ca", options.tls.authority, "TLS: whom the coordinator is signed by")
      ->type_name("FILE");
  app.add_option("--cert", options.tls.certificate, "TLS: own certificate")->type_name("FILE");
  app.add_option("--key", options.tls.key, "TLS: its private key")->type_name("FILE");
}

/// Even when the command line is wrong, its error has the form that it asks for.
OutputFormat WantedFormat(const std::vector<std::string>& arguments) {
  OutputFormat wanted = OutputFormat::kTable;
  const auto note = [&](const std::string& value) {
    const auto found = Formats().find(value);
    if (found != Formats().end()) wanted = found->second;
  };
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if ((word == "-o" || word == "--output") && i + 1 < arguments.size()) note(arguments[i + 1]);
    if (word.starts_with("--output=")) note(word.substr(9));
    if (word.starts_with("-o") && word.size() > 2) note(word.substr(word[2] == '=' ? 3 : 2));
  }
  return wanted;
}

std::vector<const CLI::App*> Subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string FirstSentence(const std::string& text) {
  return text.substr(0, text.find(';'));
}

OptionDescription DescribeOption(const CLI::Option& option) {
  OptionDescription description;
  for (const std::string& name : option.get_snames()) description.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) description.names.push_back("--" + name);
  description.help = FirstSentence(option.get_description());
  description.takes_value = option.get_items_expected_max() > 0;
  if (option.check_lname("output")) {
    for (const auto& [name, format] : Formats()) description.choices.push_back(name);
  }
  if (option.check_lname("state")) description.choices = StateTokens();
  for (const char* name : {"from", "to", "download"}) {
    if (option.check_lname(name)) description.choices = DialectTokens();
  }
  return description;
}

void DescribeInto(const CLI::App& app, const std::string& path,
                  std::vector<CommandDescription>& commands) {
  CommandDescription description{.path = path, .help = FirstSentence(app.get_description())};
  for (const CLI::App* below : Subcommands(app))
    description.subcommands.push_back(below->get_name());
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) description.options.push_back(DescribeOption(*option));
  }
  commands.push_back(std::move(description));
  for (const CLI::App* below : Subcommands(app)) {
    DescribeInto(*below, path.empty() ? below->get_name() : path + " " + below->get_name(),
                 commands);
  }
}

struct Place {
  const CLI::App* app;         ///< the deepest command that the words reach
  std::string unknown_word;    ///< the first word after it that should have been a subcommand
  std::string unknown_option;  ///< the first long option that no command up to here knows
};

/// Whether the word after this option is its value; notes an option that nobody knows.
bool TakesNextWord(const CLI::App& root, const std::string& word, Place& place) {
  const std::size_t equals = word.find('=');
  const std::string name = word.substr(0, equals);
  const CLI::Option* option = place.app->get_option_no_throw(name);
  if (option == nullptr) option = root.get_option_no_throw(name);
  if (option == nullptr) {
    if (place.unknown_option.empty() && name.size() > 2 && name.starts_with("--")) {
      place.unknown_option = name;
    }
    return false;
  }
  return equals == std::string::npos && option->get_items_expected_max() > 0;
}

/// Commands and options' values are told apart by the options' own descriptions.
Place FindPlace(const CLI::App& root, const std::vector<std::string>& arguments) {
  Place place{&root, ""};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word.starts_with("-")) {
      if (TakesNextWord(root, word, place)) ++i;
      continue;
    }
    const std::vector<const CLI::App*> below = Subcommands(*place.app);
    if (below.empty()) return place;
    const auto found = std::find_if(below.begin(), below.end(),
                                    [&](const CLI::App* app) { return app->get_name() == word; });
    if (found == below.end()) {
      place.unknown_word = word;
      return place;
    }
    place.app = *found;
  }
  return place;
}

std::string FullName(const CLI::App& app) {
  std::string name = app.get_name();
  for (const CLI::App* up = app.get_parent(); up != nullptr; up = up->get_parent()) {
    name = up->get_name() + " " + name;
  }
  return name;
}

Error UnknownCommand(const Place& place) {
  std::vector<std::string> names;
  for (const CLI::App* below : Subcommands(*place.app)) names.push_back(below->get_name());
  const std::string near = Nearest(place.unknown_word, names);
  Error error{ErrorCode::kInvalidArgument,
              "'" + FullName(*place.app) + "' has no command '" + place.unknown_word + "'",
              {}};
  error.hint = near.empty() ? "`" + FullName(*place.app) + " --help` lists the commands"
                            : "did you mean '" + near + "'?";
  return error;
}

Error UnknownOption(const CLI::App& root, const Place& place) {
  std::vector<std::string> names;
  for (const CLI::App* level : {place.app, &root}) {
    for (const CLI::Option* option : level->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  const std::string near = Nearest(place.unknown_option, names);
  Error error{ErrorCode::kInvalidArgument,
              "'" + FullName(*place.app) + "' has no option '" + place.unknown_option + "'",
              {}};
  error.hint = near.empty() ? "`" + FullName(*place.app) + " --help` lists the options"
                            : "did you mean '" + near + "'?";
  return error;
}

Error UsageError(const CLI::App& root, const Place& place, const CLI::ParseError& problem) {
  if (!place.unknown_word.empty()) return UnknownCommand(place);
  if (!place.unknown_option.empty()) return UnknownOption(root, place);
  Error error{ErrorCode::kInvalidArgument, FullName(*place.app) + ": " + problem.what(), {}};
  error.hint = "`" + FullName(*place.app) + " --help` shows how it is used";
  return error;
}

std::string HelpOf(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  if (parent == nullptr) return app.help();
  return app.help(FullName(*parent)) +
         "Options of every command (-o, --address, ...): lathe --help\n";
}

void SetUp(CLI::App& app, GlobalOptions& options, Run& chosen) {
  app.name("lathe");
  app.fallthrough();
  app.require_subcommand(1);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  AddGlobalOptions(app, options);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  AddJobCommands(app, chosen);
  AddConfigCommands(app, chosen);
  AddClusterCommands(app, chosen);
  app.footer(
      "Standard output is data, everything else goes to standard error. Exit codes: 0 ok, 1 "
      "failed,\n"
      "2 usage, 3 not found, 4 denied, 5 unavailable, 6 invalid configuration, 7 conflict,\n"
      "8 cannot be placed, 124 wait timed out, 130 interrupted.\n"
      "First steps: lathe up; lathe submit -f job.yaml --dataset train.jsonl --watch");
}

}  // namespace

std::vector<CommandDescription> Describe(const CLI::App& app) {
  std::vector<CommandDescription> commands;
  DescribeInto(app, "", commands);
  return commands;
}

ParsedCommandLine ParseCommandLine(const std::vector<std::string>& arguments) {
  CLI::App app("Fine-tune language models on your machines: a scheduler with a native trainer");
  Invocation invocation;
  SetUp(app, invocation.options, invocation.run);
  ParsedCommandLine parsed{.format = WantedFormat(arguments)};
  const Place place = FindPlace(app, arguments);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(std::move(reversed));
    parsed.format = invocation.options.format;
    parsed.invocation = std::move(invocation);
  } catch (const CLI::CallForHelp&) {
    parsed.help = HelpOf(*place.app);
  } catch (const CLI::ParseError& problem) {
    parsed.usage_error =
        place.unknown_word.empty() ? UsageError(app, place, problem) : UnknownCommand(place);
  }
  return parsed;
}

}  // namespace lathe::cli
