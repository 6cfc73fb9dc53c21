#include <algorithm>
#include <iterator>

#include "worker/trainer/scoring/forms.h"
#include "worker/trainer/scoring/python_calls.h"
#include "worker/trainer/scoring/surroundings.h"

namespace lathe::trainer::scoring {

std::optional<PythonForm> LearnPython(const Renderings& renderings) {
  const std::string_view text = renderings.one;
  const std::size_t name = text.find(renderings.calls[0].name);
  if (name == std::string_view::npos) return std::nullopt;
  // What is in front of the name may be its list's bracket, and brackets of marks.
  for (std::size_t begin = 0; begin <= name; ++begin) {
    begin = std::min(text.find('[', begin), name);
    const auto read = ReadPythonCalls(text.substr(begin));
    if (!read || read->calls != std::vector{renderings.calls[0]}) continue;
    Marks marks = MarksOf({text.substr(0, begin), text.substr(begin + read->end)}, std::nullopt);
    return PythonForm{std::move(marks.before), std::move(marks.after)};
  }
  return std::nullopt;
}

std::vector<ToolCall> ReadCalls(const PythonForm& form, std::string_view text) {
  std::vector<ToolCall> calls;
  std::size_t at = 0;
  do {
    const std::size_t mark = text.find(form.before, at);
    if (mark == std::string_view::npos) break;
    at = mark + form.before.size();
    auto read = ReadPythonCalls(text.substr(at));
    if (!read) continue;
    const std::string_view rest = Trim(text.substr(at + read->end));
    if (form.after.empty() ? !rest.empty() : !rest.starts_with(form.after)) continue;
    at += read->end;
    std::move(read->calls.begin(), read->calls.end(), std::back_inserter(calls));
  } while (!form.before.empty());
  return calls;
}

}  // namespace lathe::trainer::scoring
