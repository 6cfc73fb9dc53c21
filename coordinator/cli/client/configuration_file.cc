#include "coordinator/cli/client/configuration_file.h"

#include <iterator>

#include "common/base/file_io.h"

namespace lathe::cli {

Result<schema::Parsed> ReadConfiguration(const std::string& file, std::istream& input) {
  std::string text;
  if (file == "-") {
    text.assign(std::istreambuf_iterator<char>(input), std::istreambuf_iterator<char>());
  } else {
    LATHE_ASSIGN_OR_RETURN(text, ReadFile(file, schema::kMaxTextBytes));
  }
  // YAML's readers disagree about JSON's corners (long numbers, escapes), so JSON is read as JSON.
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool json = first != std::string::npos && text[first] == '{';
  return json ? schema::FromJson(text) : schema::FromYaml(text);
}

}  // namespace lathe::cli
