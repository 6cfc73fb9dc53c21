#pragma once
// Reference documents about what is built on the schema. The same tables and files always give the
// same bytes, so that committed copies can be compared. Pure and thread-safe.

#include <string>

namespace lathe::schema {

/// deploy/docs/reference/dialects.md: every key of the older dialects.
std::string ExportDialectsMarkdown();

/// deploy/docs/reference/templates.md: the built-in templates and the methods' profiles.
std::string ExportTemplatesMarkdown();

}  // namespace lathe::schema
