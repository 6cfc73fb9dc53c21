#include "coordinator/storage/redis_connection.h"

#include <array>
#include <string_view>
#include <utility>

#include "coordinator/storage/sigpipe_guard.h"

namespace lathe::storage {
namespace {

timeval ToTimeval(Duration duration) {
  return {static_cast<time_t>(duration.count() / 1000000),
          static_cast<suseconds_t>(duration.count() % 1000000)};
}

std::string Address(const RedisOptions& options) {
  if (!options.unix_socket.empty()) return "unix://" + options.unix_socket;
  return "tcp://" + options.host + ":" + std::to_string(options.port);
}

struct Prefix {
  std::string_view text;
  ErrorCode code;
};
constexpr std::array kPrefixes = {
    Prefix{"FENCED ", ErrorCode::kAborted},
    Prefix{"CONFLICT ", ErrorCode::kAborted},
    Prefix{"GAP ", ErrorCode::kAborted},
    Prefix{"HELD ", ErrorCode::kFailedPrecondition},
    Prefix{"NEWER ", ErrorCode::kFailedPrecondition},
    Prefix{"LOADING ", ErrorCode::kUnavailable},
    Prefix{"BUSY ", ErrorCode::kUnavailable},
    Prefix{"MASTERDOWN ", ErrorCode::kUnavailable},
    Prefix{"READONLY ", ErrorCode::kUnavailable},
    Prefix{"OOM ", ErrorCode::kResourceExhausted},
    Prefix{"MISCONF ", ErrorCode::kResourceExhausted},
    Prefix{"NOAUTH ", ErrorCode::kUnauthenticated},
    Prefix{"WRONGPASS ", ErrorCode::kUnauthenticated},
};

Error ReplyError(std::string_view text) {
  for (const Prefix& prefix : kPrefixes) {
    if (text.starts_with(prefix.text)) return {prefix.code, "redis: " + std::string(text), {}};
  }
  return {ErrorCode::kInternal, "redis: " + std::string(text), {}};
}

Result<RedisReply> Judge(RedisReply reply) {
  if (reply->type == REDIS_REPLY_ERROR) return Failure(ReplyError(Text(*reply)));
  return reply;
}

void Append(redisContext* context, const RedisCommand& command) {
  std::vector<const char*> arguments;
  std::vector<std::size_t> sizes;
  for (const std::string& argument : command) {
    arguments.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  redisAppendCommandArgv(context, static_cast<int>(command.size()), arguments.data(), sizes.data());
}

}  // namespace

std::string Text(const redisReply& reply) {
  return reply.str == nullptr ? std::string() : std::string(reply.str, reply.len);
}

Result<RedisReply> RedisConnection::Call(const RedisCommand& command) {
  LATHE_ASSIGN_OR_RETURN(auto replies, Pipeline({command}));
  return std::move(replies.front());
}

Result<std::vector<Result<RedisReply>>> RedisConnection::Pipeline(
    const std::vector<RedisCommand>& commands) {
  const std::lock_guard lock(mutex_);
  const SigpipeGuard guard;
  if (context_) {
    if (auto replies = Exchange(commands)) return replies;
  }
  LATHE_RETURN_IF_ERROR(Connect());
  return Exchange(commands);
}

Status RedisConnection::Transaction(const std::vector<RedisCommand>& commands) {
  std::vector<RedisCommand> framed = {{"MULTI"}};
  framed.insert(framed.end(), commands.begin(), commands.end());
  framed.push_back({"EXEC"});
  LATHE_ASSIGN_OR_RETURN(auto replies, Pipeline(framed));
  // A command that isn't even queued tells why; EXEC then only says that one was not.
  for (auto& reply : replies) {
    if (!reply) return Failure(reply.error());
  }
  const redisReply& results = **replies.back();
  for (std::size_t i = 0; i < results.elements; ++i) {
    const redisReply& result = *results.element[i];
    if (result.type == REDIS_REPLY_ERROR) return Failure(ReplyError(Text(result)));
  }
  return {};
}

Status RedisConnection::Connect() {
  const timeval limit = ToTimeval(options_.connect_timeout);
  context_.reset(options_.unix_socket.empty()
                     ? redisConnectWithTimeout(options_.host.c_str(), options_.port, limit)
                     : redisConnectUnixWithTimeout(options_.unix_socket.c_str(), limit));
  if (!context_ || context_->err != 0) return Failure(Broken());
  redisSetTimeout(context_.get(), ToTimeval(options_.call_timeout));
  if (options_.unix_socket.empty()) redisEnableKeepAlive(context_.get());
  if (auto greeted = Greet(); !greeted) {
    context_.reset();
    return greeted;
  }
  return {};
}

Status RedisConnection::Greet() {
  std::vector<RedisCommand> greeting;
  if (!options_.password.empty()) greeting.push_back({"AUTH", options_.password});
  if (options_.database != 0) greeting.push_back({"SELECT", std::to_string(options_.database)});
  greeting.push_back({"PING"});
  LATHE_ASSIGN_OR_RETURN(auto replies, Exchange(greeting));
  for (auto& reply : replies) {
    if (!reply) return Failure(reply.error().WithContext("connect to " + Address(options_)));
  }
  return {};
}

Result<std::vector<Result<RedisReply>>> RedisConnection::Exchange(
    const std::vector<RedisCommand>& commands) {
  for (const RedisCommand& command : commands) Append(context_.get(), command);
  std::vector<Result<RedisReply>> replies;
  replies.reserve(commands.size());
  for (std::size_t i = 0; i < commands.size(); ++i) {
    void* reply = nullptr;
    if (redisGetReply(context_.get(), &reply) != REDIS_OK) {
      const Error error = Broken();
      context_.reset();
      return Failure(error);
    }
    replies.push_back(Judge(RedisReply(static_cast<redisReply*>(reply))));
  }
  return replies;
}

Error RedisConnection::Broken() const {
  const std::string why = context_ ? context_->errstr : "out of memory";
  return {ErrorCode::kUnavailable,
          "redis at " + Address(options_) + " does not answer (" + why + "); is it running?",
          {}};
}

}  // namespace lathe::storage
