// lathe-schema-export FORM: writes one form of the schema to standard output.

#include <cstdio>
#include <cstring>
#include <string>

#include "common/schema/export.h"
#include "common/schema/export_documents.h"

int main(int argc, char** argv) {
  std::string text;
  if (argc == 2 && std::strcmp(argv[1], "table") == 0) {
    text = lathe::schema::ExportTrainerTable();
  } else if (argc == 2 && std::strcmp(argv[1], "markdown") == 0) {
    text = lathe::schema::ExportMarkdown();
  } else if (argc == 2 && std::strcmp(argv[1], "json-schema") == 0) {
    text = lathe::schema::ExportJsonSchema();
  } else if (argc == 2 && std::strcmp(argv[1], "dialects") == 0) {
    text = lathe::schema::ExportDialectsMarkdown();
  } else if (argc == 2 && std::strcmp(argv[1], "templates") == 0) {
    text = lathe::schema::ExportTemplatesMarkdown();
  } else if (argc == 2 && std::strcmp(argv[1], "generation") == 0) {
    text = lathe::schema::ExportGenerationMarkdown();
  } else if (argc == 2 && std::strcmp(argv[1], "generation-table") == 0) {
    text = lathe::schema::ExportGenerationTable();
  } else {
    std::fputs(
        "usage: lathe-schema-export FORM, of "
        "table|markdown|json-schema|dialects|templates|generation|generation-table\n",
        stderr);
    return 2;
  }
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  return written && std::fflush(stdout) == 0 ? 0 : 1;
}
