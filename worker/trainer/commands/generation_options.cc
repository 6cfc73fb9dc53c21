#include "worker/trainer/commands/generation_options.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>

#include "common/base/check.h"
#include "worker/trainer/plan/generation_table.h"

namespace lathe::trainer::commands {
namespace {

/// Calls visit(row, member) for each row of the table.
template <class Arguments, class Visit>
void ForEachSetting(Arguments& arguments, const Visit& visit) {
  for (const plan::GenerationParameter& row : plan::kGenerationParameters) {
    const std::string_view option = row.value.path;
    if (option == "--max-tokens") {
      visit(row, arguments.max_tokens);
    } else if (option == "--temperature") {
      visit(row, arguments.temperature);
    } else if (option == "--top-p") {
      visit(row, arguments.top_p);
    } else if (option == "--top-k") {
      visit(row, arguments.top_k);
    } else if (option == "--repetition-penalty") {
      visit(row, arguments.repetition_penalty);
    } else if (option == "--seed") {
      visit(row, arguments.seed);
    } else if (option == "--stop") {
      visit(row, arguments.stop);
    } else {
      LATHE_CHECK(false, option);
    }
  }
}

using Texts = std::vector<std::string>;

class Checker {
 public:
  explicit Checker(std::vector<Finding>& findings) : findings_(findings) {}

  void operator()(const plan::GenerationParameter& row, const Texts& texts) const {
    if (texts.size() > row.max_items) {
      return Add(row, "given " + std::to_string(texts.size()) + " times", "");
    }
    for (const std::string& text : texts) {
      if (text.empty() || text.size() > row.max_bytes) {
        Add(row, "a text of " + std::to_string(text.size()) + " bytes", "");
      }
    }
  }
  template <class Number>
  void operator()(const plan::GenerationParameter& row, const Number& value) const {
    if (!plan::InRange(row.value, static_cast<double>(value))) {
      Add(row, "outside the range", nlohmann::json(value).dump());
    }
  }

 private:
  void Add(const plan::GenerationParameter& row, std::string message, std::string given) const {
    findings_.push_back({.path = std::string(row.value.path),
                         .code = "out_of_range",
                         .message = std::move(message),
                         .given = std::move(given),
                         .expected = std::string(row.limits)});
  }

  std::vector<Finding>& findings_;
};

}  // namespace

void AddGenerationOptions(CLI::App& command, GenerateArguments& arguments) {
  ForEachSetting(arguments, [&command](const plan::GenerationParameter& row, auto& member) {
    const std::string help = std::string(row.help) + " (" + std::string(row.limits) + ")";
    CLI::Option* option = command.add_option(std::string(row.value.path), member, help);
    if constexpr (std::is_same_v<decltype(member), Texts&>) {
      option->allow_extra_args(false);
    } else {
      option->capture_default_str();
    }
  });
}

std::vector<Finding> CheckGeneration(const GenerateArguments& arguments) {
  std::vector<Finding> findings;
  ForEachSetting(arguments, Checker(findings));
  return findings;
}

}  // namespace lathe::trainer::commands
