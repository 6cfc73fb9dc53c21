#pragma once
// Requests over HTTP, by libcurl: certificates are verified, redirects are not followed, answers
// are bounded. What is tried again is what cannot be done twice by that:
//
//   GET, PUT, DELETE, and what is marked repeatable      any passing failure, 429 and 5xx
//   any other POST                                       only 429, and when no connection came
//   about
//
// Waits follow Retry-After, else grow with jitter. Thread-safe; a request has a connection of its
// own.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace lathe::providers {

struct HttpRequest {
  std::string method;
  std::string url;
  std::map<std::string, std::string> headers;
  std::optional<std::string> body;                         ///< JSON, sent as application/json
  std::optional<std::map<std::string, std::string>> form;  ///< multipart/form-data
  std::string file_part;                                   ///< of the form, holds `file`
  std::filesystem::path file;  ///< the body itself when there is no form
  std::string file_name;       ///< as the other side sees it
  std::vector<int> expect;     ///< statuses that are answers; empty: 200 to 299
  bool repeatable = false;
  std::function<bool()> cancelled;  ///< true ends it, also in its midst; may be empty
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
};

struct HttpError {
  Error error;
  /// Nobody knows whether the request was carried out.
  bool may_have_happened = false;
};

using HttpResult = tl::expected<HttpResponse, HttpError>;

struct HttpOptions {
  Duration connect_limit = std::chrono::seconds(10);
  Duration limit = std::chrono::seconds(60);  ///< of one try; without a byte moving, for files
  std::size_t max_answer = std::size_t{16} << 20U;
  int tries = 5;
  Duration first_wait = std::chrono::milliseconds(500);
  Duration longest_wait = std::chrono::seconds(30);
  /// Told when a service asks to come back only after that long; may be empty.
  std::function<void(Duration)> on_busy;
};

class HttpClient {
 public:
  /// `wait` waits that long and says false when the caller is to stop; it is also asked, with no
  /// time, while a transfer lasts, which then ends at once. `seed` is of the jitter.
  HttpClient(HttpOptions options, std::function<bool(Duration)> wait, std::uint64_t seed);

  /// The answer, if its status is among those expected. Errors: kUnauthenticated 401,
  /// kPermissionDenied 403, kNotFound 404, kAlreadyExists 409, kInvalidArgument other 4xx,
  /// kResourceExhausted 429 and answers beyond the limit, kUnavailable, kDeadlineExceeded,
  /// kCancelled. The
  /// service's own message is in them, nothing of headers or bodies sent.
  HttpResult Send(const HttpRequest& request) const;

 private:
  HttpResult TryOnce(const HttpRequest& request) const;
  /// False when the caller is to stop or the request is cancelled.
  bool Wait(Duration time, const HttpRequest& request) const;

  const HttpOptions options_;
  const std::function<bool(Duration)> wait_;
  const std::uint64_t seed_;
};

}  // namespace lathe::providers
