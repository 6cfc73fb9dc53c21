#include "coordinator/cli/client/composition_request.h"

#include <optional>

#include "common/composition/composition_text.h"
#include "coordinator/cli/client/job_reference.h"

namespace lathe::cli {
namespace {

v1::CompositionMethod ToProto(composition::Method method) {
  switch (method) {
    case composition::Method::kAdditive:
      return v1::COMPOSITION_METHOD_ADDITIVE;
    case composition::Method::kGated:
      return v1::COMPOSITION_METHOD_GATED;
    case composition::Method::kSequential:
      return v1::COMPOSITION_METHOD_SEQUENTIAL;
  }
  return v1::COMPOSITION_METHOD_UNSPECIFIED;
}

}  // namespace

Result<composition::Composition> ParseJobComposition(const std::string& given) {
  LATHE_ASSIGN_OR_RETURN(
      composition::Composition composition,
      composition::ParseComposition(given, [](const std::string&) { return false; }));
  if (composition.name == given) composition.name.clear();
  return composition;
}

Status ResolveJobs(CoordinatorClient& client, composition::Composition& composition) {
  std::optional<Error> wrong;
  for (composition::Member& member : composition.members) {
    auto id = ResolveJobId(client, member.adapter);
    if (id) {
      member.adapter = *std::move(id);
      continue;
    }
    const Error& error = id.error();
    // Whoever is out of reach for one is so for all.
    if (error.code != ErrorCode::kNotFound && error.code != ErrorCode::kFailedPrecondition) {
      return Failure(error);
    }
    if (!wrong) wrong = error;
    wrong->findings.push_back({.path = "--compose",
                               .code = std::string(ToString(error.code)),
                               .message = error.message,
                               .given = '"' + member.adapter + '"',
                               .expected = "a succeeded job"});
  }
  if (!wrong) return {};
  if (wrong->findings.size() == 1) wrong->findings.clear();
  return Failure(*std::move(wrong));
}

v1::Composition ToProto(const composition::Composition& composition) {
  v1::Composition proto;
  proto.set_method(ToProto(composition.method));
  for (const composition::Member& member : composition.members) {
    v1::ComposedAdapter& adapter = *proto.add_adapters();
    adapter.set_job_id(member.adapter);
    if (member.weights.IsOne()) {
      adapter.set_weight(member.weights.head);
    } else {
      for (const double weight : member.weights.layers) adapter.add_weights(weight);
      adapter.set_head_weight(member.weights.head);
    }
  }
  return proto;
}

}  // namespace lathe::cli
