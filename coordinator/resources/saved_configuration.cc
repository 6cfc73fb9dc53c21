#include "coordinator/resources/saved_configuration.h"

#include <utility>

#include "common/schema/configuration.h"
#include "common/schema/migrate.h"
#include "lathe/v1/record.pb.h"

namespace lathe::resources {
namespace {

constexpr std::uint32_t kVersion = 1;

template <class Record>
Result<Record> Parse(const std::string& bytes) {
  Record record;
  if (!record.ParseFromString(bytes) || record.version() == 0) {
    return Failure(ErrorCode::kDataLoss, "a stored configuration's record is damaged");
  }
  if (record.version() <= kVersion) return record;
  return Failure(ErrorCode::kFailedPrecondition,
                 "a saved configuration is stored in version " + std::to_string(record.version()) +
                     "; this program knows versions up to " + std::to_string(kVersion) +
                     ": run the newer program");
}

std::int64_t FromTimestamp(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1'000'000 + time.nanos() / 1000;
}

}  // namespace

std::string OwnerScope(const std::string& owner) {
  return "owner:" + owner;
}

std::string ProjectScope(const std::string& project) {
  return "project:" + project;
}

google::protobuf::Timestamp ToTimestamp(Instant time) {
  google::protobuf::Timestamp out;
  out.set_seconds(ToMicros(time) / 1'000'000);
  out.set_nanos(static_cast<std::int32_t>(ToMicros(time) % 1'000'000 * 1000));
  return out;
}

std::string SavedConfigurationKey(const std::string& owner, const std::string& name) {
  return owner + "/" + name;
}

void Encode(const v1::SavedConfiguration& saved, storage::ResourceWrite& write) {
  v1::SavedConfigurationHead head;
  head.set_version(kVersion);
  head.set_owner(saved.owner());
  head.set_name(saved.name());
  head.set_description(saved.description());
  head.set_template_(saved.template_());
  head.set_project(saved.project());
  head.set_schema_version(saved.schema_version());
  head.set_error_count(saved.error_count());
  head.set_warning_count(saved.warning_count());
  head.set_method(saved.method());
  head.set_base_model(saved.base_model());
  head.set_created(FromTimestamp(saved.create_time()));
  head.set_updated(FromTimestamp(saved.update_time()));
  v1::SavedConfigurationBody body;
  body.set_version(kVersion);
  body.set_configuration(schema::ToJson(saved.configuration()));
  *body.mutable_findings() = saved.findings();
  write.head = head.SerializeAsString();
  write.body = body.SerializeAsString();
}

Result<v1::SavedConfiguration> DecodeHead(const std::string& head, std::uint64_t revision,
                                          const storage::ResourceUse& use) {
  LATHE_ASSIGN_OR_RETURN(const auto in, Parse<v1::SavedConfigurationHead>(head));
  v1::SavedConfiguration out;
  out.set_owner(in.owner());
  out.set_name(in.name());
  out.set_description(in.description());
  out.set_template_(in.template_());
  out.set_project(in.project());
  out.set_schema_version(in.schema_version());
  out.set_validated(in.error_count() == 0);
  out.set_error_count(in.error_count());
  out.set_warning_count(in.warning_count());
  out.set_method(in.method());
  out.set_base_model(in.base_model());
  *out.mutable_create_time() = ToTimestamp(FromMicros(in.created()));
  *out.mutable_update_time() = ToTimestamp(FromMicros(in.updated()));
  out.set_times_used(use.count);
  if (use.last) *out.mutable_last_used_time() = ToTimestamp(*use.last);
  out.set_etag(std::to_string(revision));
  return out;
}

Result<v1::SavedConfiguration> Decode(const storage::Resource& resource) {
  LATHE_ASSIGN_OR_RETURN(v1::SavedConfiguration out,
                         DecodeHead(resource.head, resource.revision, resource.use));
  LATHE_ASSIGN_OR_RETURN(const auto body, Parse<v1::SavedConfigurationBody>(resource.body));
  LATHE_ASSIGN_OR_RETURN(
      *out.mutable_configuration(),
      schema::ReadStored(body.configuration(), static_cast<int>(out.schema_version())));
  *out.mutable_findings() = body.findings();
  return out;
}

}  // namespace lathe::resources
