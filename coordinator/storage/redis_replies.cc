#include "coordinator/storage/redis_replies.h"

#include <array>
#include <charconv>
#include <string>
#include <utility>

namespace lathe::storage {
namespace {

using Outcome = ResourceWriteResult::Outcome;

struct OutcomeName {
  std::string_view text;
  Outcome outcome;
};
constexpr std::array kOutcomes = {
    OutcomeName{"written", Outcome::kWritten}, OutcomeName{"repeated", Outcome::kRepeated},
    OutcomeName{"conflict", Outcome::kConflict}, OutcomeName{"reused", Outcome::kReused}};

tl::unexpected<Error> Unexpected() {
  return Failure(ErrorCode::kDataLoss, "redis: a reply about resources has an unknown shape");
}

Result<ResourceUse> ReadUse(const std::string& count, const std::string& last) {
  ResourceUse use;
  if (!count.empty()) {
    LATHE_ASSIGN_OR_RETURN(const long long uses, ParseInteger(count));
    use.count = static_cast<std::uint64_t>(uses);
  }
  if (!last.empty()) {
    LATHE_ASSIGN_OR_RETURN(const long long micros, ParseInteger(last));
    use.last = FromMicros(micros);
  }
  return use;
}

Result<ListedResource> ReadEntry(const redisReply& entry) {
  if (entry.type != REDIS_REPLY_ARRAY || entry.elements != 5) return Unexpected();
  ListedResource out;
  out.position = Text(*entry.element[0]);
  const std::size_t end = out.position.find('\0');
  if (end == std::string::npos) return Unexpected();
  out.key = out.position.substr(end + 1);
  LATHE_ASSIGN_OR_RETURN(const long long revision, ParseInteger(Text(*entry.element[1])));
  out.revision = static_cast<std::uint64_t>(revision);
  out.head = Text(*entry.element[2]);
  LATHE_ASSIGN_OR_RETURN(out.use, ReadUse(Text(*entry.element[3]), Text(*entry.element[4])));
  return out;
}

}  // namespace

Result<long long> ParseInteger(std::string_view text) {
  long long number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return number;
  return Failure(ErrorCode::kDataLoss, "redis: not a number: " + std::string(text));
}

Result<ResourceWriteResult> ReadWriteReply(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2) return Unexpected();
  const std::string outcome = Text(*reply.element[0]);
  for (const auto& [text, value] : kOutcomes) {
    if (text != outcome) continue;
    return ResourceWriteResult{value, static_cast<std::uint64_t>(reply.element[1]->integer)};
  }
  return Unexpected();
}

Result<std::optional<Resource>> ReadResourceReply(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 5) return Unexpected();
  if (reply.element[0]->type == REDIS_REPLY_NIL) return std::optional<Resource>();
  Resource out;
  LATHE_ASSIGN_OR_RETURN(const long long revision, ParseInteger(Text(*reply.element[0])));
  out.revision = static_cast<std::uint64_t>(revision);
  out.head = Text(*reply.element[1]);
  out.body = Text(*reply.element[2]);
  LATHE_ASSIGN_OR_RETURN(out.use, ReadUse(Text(*reply.element[3]), Text(*reply.element[4])));
  return std::optional<Resource>(std::move(out));
}

Result<std::vector<ListedResource>> ReadListReply(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_ARRAY) return Unexpected();
  std::vector<ListedResource> out;
  out.reserve(reply.elements);
  for (std::size_t i = 0; i < reply.elements; ++i) {
    LATHE_ASSIGN_OR_RETURN(auto entry, ReadEntry(*reply.element[i]));
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace lathe::storage
