#include "coordinator/cli/command_line/call_options.h"

#include <google/protobuf/descriptor.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/check.h"
#include "common/schema/parameters.h"

namespace lathe::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// "Draw only from so many of the likeliest tokens; 0 is all (0 to 16777216; default 0)".
std::string HelpOf(const v1::ParameterSpec& spec) {
  std::string help = spec.help();
  if (!help.empty() && help.back() == '.') help.pop_back();
  std::string facts = schema::LimitsText(spec);
  const std::string& rule = spec.default_rule();
  const std::string& value = rule.empty() ? spec.default_value() : rule;
  if (!value.empty()) facts += (facts.empty() ? "default " : "; default ") + value;
  return facts.empty() ? help : help + " (" + facts + ")";
}

CLI::Option* AddOption(CLI::App& command, const schema::Parameter& parameter, Message* call) {
  const std::string name = schema::OptionName(parameter);
  const FieldDescriptor* field = parameter.field;
  const auto* reflection = call->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return command.add_option_function<std::int32_t>(
          name, [=](std::int32_t value) { reflection->SetInt32(call, field, value); });
    case FieldDescriptor::CPPTYPE_INT64:
      return command.add_option_function<std::int64_t>(
          name, [=](std::int64_t value) { reflection->SetInt64(call, field, value); });
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return command.add_option_function<double>(
          name, [=](double value) { reflection->SetDouble(call, field, value); });
    default:
      LATHE_CHECK(field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && field->is_repeated(),
                  "no option can be made of " + field->full_name());
      return command
          .add_option_function<std::vector<std::string>>(
              name,
              [=](const std::vector<std::string>& texts) {
                for (const std::string& text : texts) reflection->AddString(call, field, text);
              })
          ->allow_extra_args(false);
  }
}

}  // namespace

void AddCallOptions(CLI::App& command, Message& call) {
  for (const schema::Parameter& parameter : schema::ParametersOf(*call.GetDescriptor())) {
    if (parameter.type == schema::ParameterType::kObject) continue;
    CLI::Option* option = AddOption(command, parameter, &call);
    option->description(HelpOf(*parameter.spec));
    option->type_name(parameter.type == schema::ParameterType::kString ? "TEXT" : "N");
  }
}

}  // namespace lathe::cli
