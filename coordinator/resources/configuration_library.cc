#include "coordinator/resources/configuration_library.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/artifacts/sha256.h"
#include "common/base/check.h"
#include "common/schema/configuration.h"
#include "common/secrets/sealed_configuration.h"
#include "coordinator/resources/configuration_checks.h"
#include "coordinator/resources/configuration_list.h"
#include "coordinator/resources/saved_configuration.h"
#include "coordinator/resources/secret_fields.h"

namespace lathe::resources {
namespace {

using v1::SavedConfiguration;
using Outcome = storage::ResourceWriteResult::Outcome;

constexpr std::size_t kMaxRequestId = 128;
constexpr Duration kRequestIdLifetime = std::chrono::hours(24);
// How often a change without an etag is made again when somebody else comes in between.
constexpr int kOverwrites = 5;

std::string Hash(std::string_view bytes) {
  artifacts::Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

std::string DrawWriteId() {
  std::array<char, 16> bytes{};
  LATHE_CHECK(::getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
              "the system gives no random bytes");
  return Hash({bytes.data(), bytes.size()}).substr(0, 32);
}

std::string KeyOf(const SavedConfiguration& saved) {
  return SavedConfigurationKey(saved.owner(), saved.name());
}

/// What its secrets are sealed to.
std::string SealId(const SavedConfiguration& saved) {
  return "configuration:" + KeyOf(saved);
}

bool MaySee(const domain::Caller& caller, const SavedConfiguration& saved) {
  return caller.is_service || saved.owner() == caller.user ||
         (!saved.project().empty() && caller.IsMember(saved.project()));
}

Status CheckMayChange(const domain::Caller& caller, const SavedConfiguration& saved) {
  if (caller.is_service || saved.owner() == caller.user) return {};
  return Failure(ErrorCode::kPermissionDenied, "only " + saved.owner() + " may change \"" +
                                                   saved.name() +
                                                   "\"; a copy of it would be yours");
}

bool IsRevision(const std::string& etag) {
  return !etag.empty() && etag.size() <= 18 &&
         std::all_of(etag.begin(), etag.end(), [](char c) { return c >= '0' && c <= '9'; });
}

tl::unexpected<Error> NotFound(const std::string& key) {
  return Failure(ErrorCode::kNotFound, "there is no saved configuration " + key + ".");
}

tl::unexpected<Error> EtagConflict(const std::string& key, const std::string& given,
                                   const std::string& present) {
  return Failure(Error{ErrorCode::kAborted,
                       "saved configuration " + key + " was changed meanwhile: etag " + given +
                           " was read, " + (present == "0" ? "it is gone" : present + " is there"),
                       {},
                       "read it again, and make the change on what it is now"});
}

void Redact(SavedConfiguration& saved) {
  *saved.mutable_configuration() =
      schema::FromJson(schema::ToJson(saved.configuration(), schema::Secrets::kRedact))
          .configuration;
}

/// What a person says of it: the same in each try of one request. Secrets are told by their
/// fingerprint, which gives nothing away.
SavedConfiguration AskedFor(const SavedConfiguration& saved) {
  SavedConfiguration asked;
  asked.set_owner(saved.owner());
  asked.set_name(saved.name());
  asked.set_description(saved.description());
  asked.set_template_(saved.template_());
  asked.set_project(saved.project());
  *asked.mutable_configuration() = saved.configuration();
  Redact(asked);
  return asked;
}

Finding LeftOut(const std::string& owner) {
  return {"",
          Severity::kWarning,
          "secrets_left_out",
          "The configuration's secrets belong to " + owner + " and are left out.",
          "",
          "secrets of one's own, for example set above it"};
}

Status CheckRequestId(const std::string& id) {
  if (id.size() <= kMaxRequestId) return {};
  return Failure(ErrorCode::kInvalidArgument, "request_id must have at most 128 bytes.");
}

/// Errors that keep it from being saved: those of its fields, what could not be read (it would be
/// missing from what is saved), and with `require_valid` all.
Status Judge(const SaveRequest& request, const domain::Caller& caller,
             const std::vector<Finding>& findings) {
  std::vector<Finding> all = CheckFields(request.fields, caller);
  const bool blocked = !all.empty() || HasErrors(request.content.findings) ||
                       (request.require_valid && HasErrors(findings));
  if (!blocked) return {};
  all.insert(all.end(), findings.begin(), findings.end());
  return Failure(Error{ErrorCode::kInvalidArgument, "the configuration cannot be saved like this",
                       std::move(all)});
}

}  // namespace

/// One write of a saved configuration.
struct ConfigurationLibrary::Change {
  SavedConfiguration saved;  ///< secrets open; etag is what is expected to be there, "0" nothing
  std::string action;        ///< "create", "update", "copy", "delete": part of the write's name
  std::string request_id;
  bool remove = false;
};

Result<storage::ResourceWrite> ConfigurationLibrary::MakeWrite(const domain::Caller& caller,
                                                               const Change& change) {
  storage::ResourceWrite write;
  const SavedConfiguration& saved = change.saved;
  write.id = {kSavedConfigurationKind, KeyOf(saved)};
  write.expected_revision = std::stoull(saved.etag());
  write.remove = change.remove;
  if (!change.remove) {
    SavedConfiguration sealed = saved;
    LATHE_ASSIGN_OR_RETURN(*sealed.mutable_configuration(),
                           secrets::Seal(saved.configuration(), SealId(saved), keyring_));
    Encode(sealed, write);
    write.scopes = {kScopeAll, OwnerScope(saved.owner())};
    if (!saved.project().empty()) write.scopes.push_back(ProjectScope(saved.project()));
    write.places = {{kOrderName, saved.name()},
                    {kOrderUpdated, storage::LatestFirst(clock_.Now())}};
  }
  write.write_id = DrawWriteId();
  if (change.request_id.empty()) return write;
  write.write_id = Hash(caller.user + '\0' + change.action + '\0' + change.request_id);
  write.remembered = kRequestIdLifetime;
  write.payload_hash = Hash(AskedFor(saved).SerializeAsString() +
                            secrets::Fingerprint(saved.configuration(), keyring_));
  return write;
}

Result<SavedConfiguration> ConfigurationLibrary::Answer(
    const storage::ResourceWrite& write, const storage::ResourceWriteResult& result) {
  if (result.outcome == Outcome::kReused) {
    return Failure(ErrorCode::kAlreadyExists,
                   "this request id was used for something else; use a new one");
  }
  if (result.outcome == Outcome::kConflict) {
    return EtagConflict(write.id.key, std::to_string(write.expected_revision),
                        std::to_string(result.revision));
  }
  if (write.remove) return SavedConfiguration();
  LATHE_ASSIGN_OR_RETURN(const auto stored, store_.ReadResource(write.id));
  if (!stored) return NotFound(write.id.key);
  LATHE_ASSIGN_OR_RETURN(SavedConfiguration saved, Decode(*stored));
  Redact(saved);
  return saved;
}

Result<SavedConfiguration> ConfigurationLibrary::Put(const domain::Caller& caller, Change change) {
  LATHE_RETURN_IF_ERROR(CheckRequestId(change.request_id));
  LATHE_ASSIGN_OR_RETURN(const auto write, MakeWrite(caller, change));
  LATHE_ASSIGN_OR_RETURN(const auto result, store_.WriteResource(write));
  const bool taken = result.outcome == Outcome::kConflict && write.expected_revision == 0;
  if (taken) {
    return Failure(Error{
        ErrorCode::kAlreadyExists,
        change.saved.owner() + " has a saved configuration \"" + change.saved.name() + "\" already",
        {},
        "choose another name, or update that one"});
  }
  return Answer(write, result);
}

Result<SavedConfiguration> ConfigurationLibrary::Create(const domain::Caller& caller,
                                                        SaveRequest request) {
  const std::vector<Finding> findings = CheckConfiguration(request.content);
  LATHE_RETURN_IF_ERROR(Judge(request, caller, findings));
  SavedConfiguration saved;
  saved.set_owner(caller.user);
  saved.set_name(request.fields.name());
  saved.set_description(request.fields.description());
  saved.set_template_(request.fields.template_());
  saved.set_project(request.fields.project());
  PutConfiguration(request.content, findings, saved);
  *saved.mutable_create_time() = ToTimestamp(clock_.Now());
  *saved.mutable_update_time() = saved.create_time();
  saved.set_etag("0");
  if (request.validate_only) {
    saved.clear_etag();
    Redact(saved);
    return saved;
  }
  return Put(caller, {std::move(saved), "create", std::move(request.request_id)});
}

Result<SavedConfiguration> ConfigurationLibrary::Update(const domain::Caller& caller,
                                                        SaveRequest request) {
  v1::SavedConfigurationName name;
  name.set_owner(request.fields.owner());
  name.set_name(request.fields.name());
  const std::string etag = request.fields.etag();
  for (int attempt = 1;; ++attempt) {
    LATHE_ASSIGN_OR_RETURN(SavedConfiguration saved, FindOpen(caller, name));
    LATHE_RETURN_IF_ERROR(CheckMayChange(caller, saved));
    // A retry comes with the etag that its first try has replaced: the store tells it apart.
    const bool may_be_retry = !request.request_id.empty() && IsRevision(etag);
    if (!etag.empty() && etag != saved.etag() && !may_be_retry) {
      return EtagConflict(KeyOf(saved), etag, saved.etag());
    }
    schema::Imported content = request.content;
    KeepSecrets(saved.configuration(), content.configuration);
    const std::vector<Finding> findings = CheckConfiguration(content);
    LATHE_RETURN_IF_ERROR(Judge(request, caller, findings));
    saved.set_description(request.fields.description());
    saved.set_template_(request.fields.template_());
    saved.set_project(request.fields.project());
    PutConfiguration(content, findings, saved);
    *saved.mutable_update_time() = ToTimestamp(clock_.Now());
    if (request.validate_only) {
      Redact(saved);
      return saved;
    }
    if (!etag.empty()) saved.set_etag(etag);
    auto written = Put(caller, {saved, "update", request.request_id});
    const bool overwrite = !written && written.error().code == ErrorCode::kAborted &&
                           etag.empty() && attempt < kOverwrites;
    if (!overwrite) return written;
  }
}

Result<SavedConfiguration> ConfigurationLibrary::Copy(
    const domain::Caller& caller, const v1::CopySavedConfigurationRequest& request) {
  LATHE_ASSIGN_OR_RETURN(SavedConfiguration source, FindOpen(caller, request.id()));
  SaveRequest copy;
  copy.fields = source;
  copy.fields.set_name(request.name());
  copy.fields.clear_project();
  copy.content.configuration = source.configuration();
  if (source.owner() != caller.user) secrets::DropSecrets(copy.content.configuration);
  copy.request_id = request.request_id();
  return Create(caller, std::move(copy));
}

Status ConfigurationLibrary::Delete(const domain::Caller& caller,
                                    const v1::DeleteSavedConfigurationRequest& request) {
  for (int attempt = 1;; ++attempt) {
    LATHE_ASSIGN_OR_RETURN(SavedConfiguration saved, Find(caller, request.id()));
    LATHE_RETURN_IF_ERROR(CheckMayChange(caller, saved));
    if (!request.etag().empty() && request.etag() != saved.etag()) {
      return EtagConflict(KeyOf(saved), request.etag(), saved.etag());
    }
    Change change{std::move(saved), "delete", ""};
    change.remove = true;
    const auto removed = Put(caller, std::move(change));
    if (removed) return {};
    const bool again = removed.error().code == ErrorCode::kAborted && request.etag().empty() &&
                       attempt < kOverwrites;
    if (!again) return Failure(removed.error());
  }
}

Result<SavedConfiguration> ConfigurationLibrary::Find(const domain::Caller& caller,
                                                      const v1::SavedConfigurationName& name) {
  const std::string& owner = name.owner().empty() ? caller.user : name.owner();
  const std::string key = SavedConfigurationKey(owner, name.name());
  LATHE_ASSIGN_OR_RETURN(const auto stored, store_.ReadResource({kSavedConfigurationKind, key}));
  if (!stored) return NotFound(key);
  LATHE_ASSIGN_OR_RETURN(SavedConfiguration saved, Decode(*stored));
  if (!MaySee(caller, saved)) return NotFound(key);
  return saved;
}

Result<SavedConfiguration> ConfigurationLibrary::FindOpen(const domain::Caller& caller,
                                                          const v1::SavedConfigurationName& name) {
  LATHE_ASSIGN_OR_RETURN(SavedConfiguration saved, Find(caller, name));
  if (saved.owner() != caller.user && !caller.is_service) return saved;
  LATHE_ASSIGN_OR_RETURN(*saved.mutable_configuration(),
                         secrets::Open(saved.configuration(), SealId(saved), keyring_));
  return saved;
}

Result<SavedConfiguration> ConfigurationLibrary::Get(const domain::Caller& caller,
                                                     const v1::SavedConfigurationName& name) {
  LATHE_ASSIGN_OR_RETURN(SavedConfiguration saved, Find(caller, name));
  Redact(saved);
  return saved;
}

Result<v1::ListSavedConfigurationsResponse> ConfigurationLibrary::List(
    const domain::Caller& caller, const v1::ListSavedConfigurationsRequest& request) {
  return ListSavedConfigurations(store_, caller, request);
}

Result<UsableConfiguration> ConfigurationLibrary::GetForUse(
    const domain::Caller& caller, const v1::SavedConfigurationName& name) {
  LATHE_ASSIGN_OR_RETURN(SavedConfiguration saved, FindOpen(caller, name));
  UsableConfiguration usable{saved.configuration(), KeyOf(saved), {}};
  if (saved.owner() != caller.user && secrets::DropSecrets(usable.configuration)) {
    usable.warnings.push_back(LeftOut(saved.owner()));
  }
  return usable;
}

}  // namespace lathe::resources
