#pragma once
// Records ↔ the bytes that are stored (lathe.v1.JobRecord, NodeRecord). Decoding fails with
// kDataLoss when the bytes are damaged, kFailedPrecondition when a newer program wrote them.

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/domain/job.h"
#include "common/domain/node.h"

namespace lathe::storage {

std::string EncodeJob(const domain::Job& job);
Result<domain::Job> DecodeJob(std::string_view bytes);

std::string EncodeNode(const domain::Node& node);
Result<domain::Node> DecodeNode(std::string_view bytes);

}  // namespace lathe::storage
