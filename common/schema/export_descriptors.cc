#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>
#include <string>

#include "common/schema/export.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::schema {
namespace {

using google::protobuf::FileDescriptor;

/// What a file needs comes before it.
void Add(const FileDescriptor& file, std::set<const FileDescriptor*>& seen,
         google::protobuf::FileDescriptorSet& out) {
  if (!seen.insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) Add(*file.dependency(i), seen, out);
  file.CopyTo(out.add_file());
}

}  // namespace

std::string ExportDescriptors() {
  std::set<const FileDescriptor*> seen;
  google::protobuf::FileDescriptorSet out;
  Add(*v1::JobConfiguration::descriptor()->file(), seen, out);
  return out.SerializeAsString();
}

}  // namespace lathe::schema
