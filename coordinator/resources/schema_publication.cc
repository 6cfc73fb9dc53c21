#include "coordinator/resources/schema_publication.h"

#include "common/schema/export.h"
#include "common/schema/parameters.h"

namespace lathe::resources {

Status PublishSchema(storage::Store& store) {
  return store.PublishSchema(
      {schema::kSchemaVersion, schema::ExportJsonSchema(), schema::ExportDescriptors()});
}

}  // namespace lathe::resources
