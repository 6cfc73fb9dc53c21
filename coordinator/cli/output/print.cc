#include "coordinator/cli/output/print.h"

#include <algorithm>
#include <ostream>

#include "coordinator/cli/output/table.h"

namespace lathe::cli {
namespace {

constexpr int kRed = 31;
constexpr int kYellow = 33;
constexpr int kFaint = 2;

std::string Serialise(const Document& document, OutputFormat format) {
  // Bytes that are no UTF-8 (a dataset's text in a message) must not turn an answer into a crash.
  if (format == OutputFormat::kYaml) return ToYaml(document);
  return document.dump(2, ' ', false, Document::error_handler_t::replace) + "\n";
}

}  // namespace

std::string Colored(const Terminal& terminal, int code, std::string_view text) {
  if (!terminal.color) return std::string(text);
  return "\033[" + std::to_string(code) + "m" + std::string(text) + "\033[0m";
}

void PrintResult(Context& context, const Document& document, std::string_view text) {
  const OutputFormat format = context.options.format;
  if (format == OutputFormat::kTable) {
    context.out << text << std::flush;
  } else {
    context.out << Serialise(document, format) << std::flush;
  }
}

Document FindingsDocument(const std::vector<Finding>& findings) {
  Document list = Document::array();
  for (const Finding& finding : findings) {
    list.push_back({{"path", finding.path},
                    {"severity", ToString(finding.severity)},
                    {"code", finding.code},
                    {"message", finding.message},
                    {"given", finding.given},
                    {"expected", finding.expected}});
  }
  return list;
}

void PrintFindings(Context& context, const std::vector<Finding>& findings) {
  if (findings.empty()) return;
  std::vector<Finding> sorted = findings;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  Table table({{""}, {"WHERE"}, {"WHAT"}, {"GIVEN"}, {"EXPECTED"}});
  for (const Finding& finding : sorted) {
    table.AddRow({std::string(ToString(finding.severity)), finding.path, finding.message,
                  finding.given, finding.expected});
  }
  context.err << table.Render();
}

void PrintError(Context& context, const Error& error, ExitCode exit_code) {
  if (context.options.format != OutputFormat::kTable) {
    const Document document = {{"error",
                                {{"code", ToString(error.code)},
                                 {"message", error.message},
                                 {"hint", error.hint},
                                 {"findings", FindingsDocument(error.findings)},
                                 {"exitCode", static_cast<int>(exit_code)}}}};
    context.err << Serialise(document, context.options.format) << std::flush;
    return;
  }
  context.err << Colored(context.terminal, kRed, "error:") << " " << error.message << "\n";
  PrintFindings(context, error.findings);
  if (!error.hint.empty()) {
    context.err << Colored(context.terminal, kYellow, "hint:") << " " << error.hint << "\n";
  }
  context.err << std::flush;
}

void Note(Context& context, std::string_view line) {
  if (context.options.format != OutputFormat::kTable) return;
  context.err << Colored(context.terminal, kFaint, line) << std::endl;
}

}  // namespace lathe::cli
