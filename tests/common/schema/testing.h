#pragma once
// What the tests of this room share: paths of the repository, reading files, short findings.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "common/schema/configuration.h"

namespace lathe::schema {

inline std::filesystem::path SourceFolder() {
  const char* folder = std::getenv("LATHE_SOURCE_DIR");
  return folder == nullptr ? "." : folder;
}

inline std::string FileText(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// `error path code`, one string a finding.
inline std::vector<std::string> Brief(const std::vector<Finding>& findings) {
  std::vector<std::string> brief;
  for (const Finding& finding : findings) {
    brief.push_back(std::string(ToString(finding.severity)) + " " + finding.path + " " +
                    finding.code);
  }
  return brief;
}

/// A configuration that can run, with `assignments` set on it.
inline v1::JobConfiguration Valid(const std::vector<std::string>& assignments = {}) {
  v1::JobConfiguration configuration;
  configuration.mutable_model()->set_base_model("tiny");
  configuration.mutable_datasets()->set_training_file_id("sha256:aa");
  for (const std::string& assignment : assignments) {
    const Status status = Set(configuration, assignment);
    EXPECT_TRUE(status.has_value()) << assignment << ": " << ToString(status.error());
  }
  return configuration;
}

}  // namespace lathe::schema
