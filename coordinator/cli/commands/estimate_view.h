#pragma once
// A job's estimate for people and for programs.

#include <string>

#include "coordinator/cli/output/document.h"
#include "lathe/v1/estimate.pb.h"

namespace lathe::cli {

Document EstimateDocument(const v1::Estimate& estimate);

/// A few lines, each with a newline.
std::string EstimateText(const v1::Estimate& estimate);

/// One line: memory, time and cost.
std::string EstimateLine(const v1::Estimate& estimate);

}  // namespace lathe::cli
