#include "coordinator/api/source_job.h"

#include "common/schema/migrate.h"
#include "common/secrets/sealed_configuration.h"

namespace lathe::api {

Result<SourceJob> ReadSourceJob(const Context& context, const std::string& id,
                                const std::string& user) {
  const runtime::JobPtr job = context.view.Job(domain::JobId(id));
  if (!job) return Failure(ErrorCode::kNotFound, "there is no job " + id + ".");
  LATHE_ASSIGN_OR_RETURN(const std::string stored,
                         context.configurations.Read(job->spec.configuration_hash));
  SourceJob source;
  LATHE_ASSIGN_OR_RETURN(source.configuration,
                         schema::ReadStored(stored, static_cast<int>(job->spec.schema_version)));
  // Callers without a name need not be the same.
  if (!user.empty() && job->spec.owner == user) {
    LATHE_ASSIGN_OR_RETURN(
        source.configuration,
        secrets::Open(source.configuration, secrets::JobRecordId(id), context.keyring));
  } else if (secrets::DropSecrets(source.configuration)) {
    source.warnings.push_back(
        {"integrations", Severity::kWarning, "left_out",
         "The secrets of job " + id + " stay with whoever submitted it; set them for this one.", "",
         ""});
  }
  return source;
}

}  // namespace lathe::api
