#pragma once
// Jobs and their events as messages. Pure.

#include "common/domain/job.h"
#include "coordinator/runtime/view.h"
#include "coordinator/storage/store.h"
#include "lathe/v1/job.pb.h"
#include "lathe/v1/node_service.pb.h"

namespace lathe::api {

/// Secrets of the configuration are redacted.
v1::Job ToProto(const domain::Job& job, v1::JobConfiguration configuration);
/// `stored` is the stored configuration's JSON. kDataLoss when it can't be read.
Result<v1::Job> ToProto(const domain::Job& job, const std::string& stored);
v1::JobEvent ToProto(const storage::StoredEvent& event);
v1::Node ToProto(const runtime::NodeView& node);

google::protobuf::Timestamp ToTimestamp(Instant time);

}  // namespace lathe::api
