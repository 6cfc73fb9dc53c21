#pragma once
// The schema in the forms that others read: the trainer's table, JSON Schema, reference document.
// The same schema always gives the same bytes, so that committed copies can be compared.
// Pure and thread-safe.

#include <string>

namespace lathe::schema {

/// worker/trainer/plan/parameter_table.inc: one LATHE_PARAMETER(...) row a parameter; the format is
/// told in its first lines.
std::string ExportTrainerTable();

/// worker/trainer/plan/generation_table.inc: a LATHE_GENERATION_PARAMETER(...) row a parameter of
/// GenerateRequest, likewise.
std::string ExportGenerationTable();

/// JSON Schema draft-07 of a configuration, indented, with hints for forms under `x-` keys.
std::string ExportJsonSchema();

/// The message's descriptors with all they refer to and the (lathe.v1.parameter) options: a
/// serialized google.protobuf.FileDescriptorSet.
std::string ExportDescriptors();

/// deploy/docs/reference/job_configuration.md.
std::string ExportMarkdown();

/// deploy/docs/reference/generation.md.
std::string ExportGenerationMarkdown();

}  // namespace lathe::schema
