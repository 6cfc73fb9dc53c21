#include "coordinator/cli/commands/completion.h"

#include <algorithm>

namespace lathe::cli {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// For use between single quotes.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string WordsOf(const CommandDescription& command) {
  std::vector<std::string> words = command.subcommands;
  for (const OptionDescription& option : command.options) {
    words.insert(words.end(), option.names.begin(), option.names.end());
  }
  return Joined(words);
}

/// Cases "COMMAND OPTION" -> the words of the option's value.
std::string ChoiceCases(const std::vector<CommandDescription>& commands) {
  std::string cases;
  for (const CommandDescription& command : commands) {
    for (const OptionDescription& option : command.options) {
      for (const std::string& name : option.names) {
        const std::string key = "    " + Quoted(command.path + "|" + name) + ") ";
        if (!option.choices.empty()) {
          cases += key + "words=" + Quoted(Joined(option.choices)) + " ;;\n";
        } else if (option.takes_value) {
          cases += key + "files=1 ;;\n";
        }
      }
    }
  }
  return cases;
}

// zsh runs the very function of bash through its compatibility layer.
std::string BashScript(const std::vector<CommandDescription>& commands) {
  std::string script =
      "_lathe() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      "  local path='' word i words='' files=''\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=\"${COMP_WORDS[i]}\"\n"
      "    case \"${path:+$path }$word\" in\n";
  for (const CommandDescription& command : commands) {
    if (command.path.empty()) continue;
    script += "      " + Quoted(command.path) + ") path=" + Quoted(command.path) + " ;;\n";
  }
  script += "    esac\n  done\n  case \"$path|$previous\" in\n" + ChoiceCases(commands) +
            "    *) case \"$path\" in\n";
  for (const CommandDescription& command : commands) {
    script += "      " + Quoted(command.path) + ") words=" + Quoted(WordsOf(command)) + " ;;\n";
  }
  script +=
      "    esac ;;\n  esac\n"
      "  if [ -n \"$files\" ]; then COMPREPLY=($(compgen -f -- \"$current\")); return; fi\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "}\n"
      "complete -o filenames -F _lathe lathe\n";
  return script;
}

std::string FishOption(const OptionDescription& option) {
  std::string text;
  for (const std::string& name : option.names) {
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!option.choices.empty()) {
    text += " -x -a " + Quoted(Joined(option.choices));
  } else if (option.takes_value) {
    text += " -r";
  }
  return text + " -d " + Quoted(option.help);
}

/// True in fish when the words so far are those of the command and no further subcommand.
std::string FishCondition(const CommandDescription& command) {
  if (command.path.empty()) return "__fish_use_subcommand";
  std::string condition;
  for (std::size_t start = 0; start < command.path.size();) {
    const std::size_t end = std::min(command.path.find(' ', start), command.path.size());
    condition += (condition.empty() ? "" : "; and ") + std::string("__fish_seen_subcommand_from ") +
                 command.path.substr(start, end - start);
    start = end + 1;
  }
  if (command.subcommands.empty()) return condition;
  return condition + "; and not __fish_seen_subcommand_from " + Joined(command.subcommands);
}

std::string FishScript(const std::vector<CommandDescription>& commands) {
  std::string script = "complete -c lathe -f\n";
  for (const CommandDescription& command : commands) {
    const std::string start = "complete -c lathe -n " + Quoted(FishCondition(command));
    for (const std::string& name : command.subcommands) {
      const std::string path = command.path.empty() ? name : command.path + " " + name;
      const auto found = std::find_if(commands.begin(), commands.end(),
                                      [&](const auto& other) { return other.path == path; });
      script += start + " -a " + name + " -d " +
                Quoted(found == commands.end() ? "" : found->help) + "\n";
    }
    for (const OptionDescription& option : command.options) {
      script += (command.path.empty() ? "complete -c lathe" : start) + FishOption(option) + "\n";
    }
  }
  return script;
}

}  // namespace

Result<std::string> CompletionScript(const std::string& shell,
                                     const std::vector<CommandDescription>& commands) {
  const std::string source = "# lathe completion " + shell + "\n";
  if (shell == "bash") return source + BashScript(commands);
  if (shell == "zsh") {
    return source +
           "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && "
           "bashcompinit\n" +
           BashScript(commands);
  }
  if (shell == "fish") return source + FishScript(commands);
  return Failure(ErrorCode::kInvalidArgument, "'" + shell + "' is not one of bash, zsh, fish");
}

}  // namespace lathe::cli
