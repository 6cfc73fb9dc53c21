#include "common/secrets/sealed_configuration.h"

#include <google/protobuf/descriptor.h>

#include <functional>
#include <vector>

#include "common/schema/configuration.h"
#include "common/secrets/aead_internal.h"
#include "lathe/v1/parameter.pb.h"

namespace lathe::secrets {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::string_view kPrefix = "lathe-sealed:v1:";
// Derives the fingerprint from a purpose of its own: a key must not serve two as they are.
constexpr std::string_view kFingerprintPurpose = "lathe-fingerprint-v1";

/// A secret that is set, and where it stands.
struct Place {
  std::string path;
  Message* owner;
  const FieldDescriptor* field;

  std::string Get() const { return owner->GetReflection()->GetString(*owner, field); }
  void Put(std::string value) const {
    owner->GetReflection()->SetString(owner, field, std::move(value));
  }
  void Clear() const { owner->GetReflection()->ClearField(owner, field); }
};

bool IsSecret(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::parameter).secret();
}

std::string Join(const std::string& path, const FieldDescriptor& field) {
  return path.empty() ? field.json_name() : path + "." + field.json_name();
}

void FindSecrets(Message& message, const std::string& path, std::vector<Place>& places) {
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string here = Join(path, *field);
    if (IsSecret(*field)) {
      places.push_back({here, &message, field});
    } else if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) {
      continue;
    } else if (!field->is_repeated()) {
      FindSecrets(*reflection->MutableMessage(&message, field), here, places);
    } else {
      for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
        FindSecrets(*reflection->MutableRepeatedMessage(&message, field, i),
                    here + "[" + std::to_string(i) + "]", places);
      }
    }
  }
}

std::vector<Place> FindSecrets(v1::JobConfiguration& configuration) {
  std::vector<Place> places;
  FindSecrets(configuration, "", places);
  return places;
}

/// What is authenticated with a secret. A zero byte stands in no id or path.
std::string AssociatedData(std::string_view record_id, const std::string& path) {
  std::string data(kPrefix);
  data += '\0';
  data += record_id;
  data += '\0';
  data += path;
  return data;
}

Finding MakeFinding(const std::string& path, std::string code, std::string message,
                    std::string expected) {
  return {path, Severity::kError, std::move(code), std::move(message), "", std::move(expected)};
}

Error NoKey(const std::vector<Place>& places) {
  Error error{ErrorCode::kFailedPrecondition,
              "the configuration has secrets, and this coordinator has no key to keep them with",
              {},
              "an operator sets secrets_key_file in the coordinator's configuration; without the "
              "secrets the configuration is accepted"};
  for (const Place& place : places) {
    error.findings.push_back(MakeFinding(place.path, "no_secrets_key",
                                         "A secret cannot be stored: the coordinator has no "
                                         "secrets_key_file.",
                                         "not set"));
  }
  return error;
}

Status CheckNotRedacted(const std::vector<Place>& places) {
  Error error{ErrorCode::kInvalidArgument, "the configuration has a redacted secret in it", {}};
  for (const Place& place : places) {
    if (place.Get() != schema::kRedacted) continue;
    error.findings.push_back(MakeFinding(
        place.path, "redacted",
        "This is what stands in a secret's place when a configuration is shown; secrets are never "
        "given out.",
        "the secret itself, or not set"));
  }
  if (error.findings.empty()) return {};
  return Failure(std::move(error));
}

Result<std::string> OpenOne(const Place& place, std::string_view record_id,
                            const Keyring* keyring) {
  const std::string sealed = place.Get();
  const std::string_view rest = std::string_view(sealed).substr(kPrefix.size());
  const std::string key_id(rest.substr(0, rest.find(':')));
  if (key_id.size() >= rest.size()) {
    return Failure(ErrorCode::kDataLoss, "the stored secret " + place.path + " is damaged");
  }
  const Key* key = keyring == nullptr ? nullptr : keyring->Find(key_id);
  if (key == nullptr) {
    return Failure(Error{ErrorCode::kFailedPrecondition,
                         "the secret " + place.path + " is encrypted with key " + key_id +
                             ", which this coordinator does not have",
                         {},
                         "put that key back into secrets_key_file; newer keys stand above it"});
  }
  auto plain = Decrypt(*key, rest.substr(key_id.size() + 1), AssociatedData(record_id, place.path));
  if (!plain) {
    return Failure(ErrorCode::kDataLoss,
                   "the stored secret " + place.path +
                       " cannot be decrypted: it is damaged, or another key has the id " + key_id);
  }
  return std::move(*plain);
}

}  // namespace

bool HasSecrets(const v1::JobConfiguration& configuration) {
  v1::JobConfiguration copy = configuration;
  return !FindSecrets(copy).empty();
}

Result<v1::JobConfiguration> Seal(const v1::JobConfiguration& configuration,
                                  std::string_view record_id, const Keyring* keyring) {
  v1::JobConfiguration sealed = configuration;
  for (const Place& place : FindSecrets(sealed)) {
    if (place.Get().empty()) place.Clear();
  }
  const std::vector<Place> places = FindSecrets(sealed);
  LATHE_RETURN_IF_ERROR(CheckNotRedacted(places));
  if (places.empty()) return sealed;
  if (keyring == nullptr) return Failure(NoKey(places));
  const Key& key = keyring->first();
  for (const Place& place : places) {
    place.Put(std::string(kPrefix) + key.id + ":" +
              Encrypt(key, place.Get(), AssociatedData(record_id, place.path)));
  }
  return sealed;
}

Result<v1::JobConfiguration> Open(const v1::JobConfiguration& configuration,
                                  std::string_view record_id, const Keyring* keyring) {
  v1::JobConfiguration opened = configuration;
  for (const Place& place : FindSecrets(opened)) {
    if (!place.Get().starts_with(kPrefix)) continue;
    LATHE_ASSIGN_OR_RETURN(std::string plain, OpenOne(place, record_id, keyring));
    place.Put(std::move(plain));
  }
  return opened;
}

bool DropSecrets(v1::JobConfiguration& configuration) {
  const std::vector<Place> places = FindSecrets(configuration);
  for (const Place& place : places) place.Clear();
  return !places.empty();
}

std::string JobRecordId(std::string_view job_id) {
  return "job:" + std::string(job_id);
}

std::string Fingerprint(const v1::JobConfiguration& configuration, const Keyring* keyring) {
  if (keyring == nullptr) return "";
  v1::JobConfiguration copy = configuration;
  std::string text(kFingerprintPurpose);
  bool any = false;
  for (const Place& place : FindSecrets(copy)) {
    text += '\0' + place.path + '\0' + place.Get();
    any = true;
  }
  return any ? KeyedHash(keyring->first(), text) : "";
}

}  // namespace lathe::secrets
