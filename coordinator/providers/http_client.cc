#include "coordinator/providers/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/base/version.h"
#include "common/rpc/backoff.h"

namespace lathe::providers {
namespace {

constexpr std::size_t kLongestMessage = 500;
/// How long a wait may overlook that the request is cancelled.
constexpr Duration kPatience = std::chrono::milliseconds(100);

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Mime = std::unique_ptr<curl_mime, decltype(&curl_mime_free)>;
using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

struct HeaderList {
  curl_slist* list = nullptr;
  ~HeaderList() { curl_slist_free_all(list); }
  void Add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
};

struct Answer {
  HttpResponse response;
  std::size_t limit = 0;
  bool too_long = false;
};

std::size_t OnBody(char* data, std::size_t, std::size_t size, void* user) {
  auto& answer = *static_cast<Answer*>(user);
  if (answer.response.body.size() + size > answer.limit) {
    answer.too_long = true;
    return 0;
  }
  answer.response.body.append(data, size);
  return size;
}

std::size_t OnHeader(char* data, std::size_t, std::size_t size, void* user) {
  auto& answer = *static_cast<Answer*>(user);
  const std::string_view line(data, size);
  // A new status line: what came before was an interim answer.
  if (line.starts_with("HTTP/")) answer.response.headers.clear();
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return tolower(c); });
  const std::size_t begin = std::min(line.find_first_not_of(" \t", colon + 1), line.size());
  const std::size_t end = line.find_last_not_of(" \t\r\n") + 1;
  answer.response.headers[name] = std::string(line.substr(begin, end > begin ? end - begin : 0));
  return size;
}

/// The service's own words, where its answer has some.
std::string MessageOf(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  std::string text;
  for (const char* place : {"/error/message", "/message", "/detail", "/error"}) {
    const nlohmann::json::json_pointer pointer(place);
    if (!json.is_object() || !json.contains(pointer)) continue;
    const auto& found = json.at(pointer);
    text = found.is_string() ? found.get<std::string>() : found.dump();
    break;
  }
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  return text.substr(0, kLongestMessage);
}

ErrorCode CodeOf(int status) {
  switch (status) {
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
      return ErrorCode::kAlreadyExists;
    case 408:
    case 425:
      return ErrorCode::kUnavailable;
    case 429:
      return ErrorCode::kResourceExhausted;
    default:
      return status >= 400 && status < 500 ? ErrorCode::kInvalidArgument : ErrorCode::kUnavailable;
  }
}

bool IsExpected(const HttpRequest& request, int status) {
  if (request.expect.empty()) return status >= 200 && status < 300;
  return std::find(request.expect.begin(), request.expect.end(), status) != request.expect.end();
}

/// Scheme and host, for messages: paths may hold signatures.
std::string HostOf(const std::string& url) {
  const std::size_t begin = url.find("://");
  return url.substr(0, begin == std::string::npos ? 0 : url.find('/', begin + 3));
}

HttpError StatusError(const HttpRequest& request, const HttpResponse& response) {
  const std::string words = MessageOf(response.body);
  return {{CodeOf(response.status),
           HostOf(request.url) + " answered " + std::to_string(response.status) +
               (words.empty() ? "" : ": " + words),
           {}},
          // A refusal is certain; a server that broke may have broken after the work.
          response.status >= 500 || response.status == 408};
}

HttpError TransportError(const HttpRequest& request, CURLcode code, const char* words) {
  const bool never_connected =
      code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
      code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_SSL_CONNECT_ERROR ||
      code == CURLE_PEER_FAILED_VERIFICATION;
  const ErrorCode kind =
      code == CURLE_OPERATION_TIMEDOUT ? ErrorCode::kDeadlineExceeded : ErrorCode::kUnavailable;
  const std::string detail = words[0] != '\0' ? words : curl_easy_strerror(code);
  return {{kind, "no answer from " + HostOf(request.url) + ": " + detail, {}}, !never_connected};
}

bool IsCancelled(const HttpRequest& request) {
  return request.cancelled && request.cancelled();
}

/// Ends a transfer when the caller is to stop: a service that hangs must not hold up its end. Asked
/// at least once a second.
struct Patience {
  const HttpRequest& request;
  const std::function<bool(Duration)>& wait;

  static int Ask(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto& self = *static_cast<const Patience*>(user);
    return self.wait(Duration::zero()) && !IsCancelled(self.request) ? 0 : 1;
  }
};

/// Seconds, or milliseconds in retry-after-ms; nothing where there is no such header. The form with
/// a date is rare and not used by these services.
std::optional<Duration> RetryAfter(const HttpResponse& response) {
  const auto read = [&](const char* name, double unit) -> std::optional<Duration> {
    const auto header = response.headers.find(name);
    if (header == response.headers.end()) return std::nullopt;
    double value = -1;
    const std::string& text = header->second;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value).ptr;
    if (end != text.data() + text.size() || value < 0 || value > 1e6) return std::nullopt;
    return Duration(static_cast<std::int64_t>(value * unit));
  };
  if (const auto exact = read("retry-after-ms", 1e3)) return exact;
  return read("retry-after", 1e6);
}

/// Everything of one transfer that must outlive it.
class Transfer {
 public:
  Transfer(const HttpRequest& request, const HttpOptions& options,
           const std::function<bool(Duration)>& wait)
      : request_(request),
        patience_{request, wait},
        curl_(curl_easy_init(), &curl_easy_cleanup),
        mime_(nullptr, &curl_mime_free),
        file_(nullptr, &std::fclose) {
    answer_.limit = options.max_answer;
    SetUp(options);
    Set(CURLOPT_NOPROGRESS, 0L);
    Set(CURLOPT_XFERINFOFUNCTION, &Patience::Ask);
    Set(CURLOPT_XFERINFODATA, &patience_);
  }

  HttpResult Run() {
    if (!ready_) {
      return tl::unexpected<HttpError>(
          {{ErrorCode::kInternal, "cannot read the file that is to be sent", {}}, false});
    }
    const CURLcode code = curl_easy_perform(curl_.get());
    if (answer_.too_long) {
      return tl::unexpected<HttpError>({{ErrorCode::kResourceExhausted,
                                         HostOf(request_.url) + " answered more than " +
                                             std::to_string(answer_.limit) + " bytes",
                                         {}},
                                        true});
    }
    if (code != CURLE_OK) return tl::unexpected(TransportError(request_, code, words_));
    long status = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    answer_.response.status = static_cast<int>(status);
    return std::move(answer_.response);
  }

 private:
  template <class Value>
  void Set(CURLoption option, Value value) {
    curl_easy_setopt(curl_.get(), option, value);
  }

  void SetUp(const HttpOptions& options) {
    const auto milliseconds = [](Duration time) { return static_cast<long>(time.count() / 1000); };
    Set(CURLOPT_URL, request_.url.c_str());
    Set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    Set(CURLOPT_PROTOCOLS_STR, "http,https");
    Set(CURLOPT_FOLLOWLOCATION, 0L);
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(options.connect_limit));
    // A file takes as long as it takes while it moves.
    if (request_.file.empty()) {
      Set(CURLOPT_TIMEOUT_MS, milliseconds(options.limit));
    } else {
      Set(CURLOPT_LOW_SPEED_LIMIT, 1L);
      Set(CURLOPT_LOW_SPEED_TIME, std::max(1L, milliseconds(options.limit) / 1000));
    }
    Set(CURLOPT_WRITEFUNCTION, &OnBody);
    Set(CURLOPT_WRITEDATA, &answer_);
    Set(CURLOPT_HEADERFUNCTION, &OnHeader);
    Set(CURLOPT_HEADERDATA, &answer_);
    Set(CURLOPT_ERRORBUFFER, words_);
    SetBody();
    for (const auto& [name, value] : request_.headers) headers_.Add(name + ": " + value);
    headers_.Add("User-Agent: lathe/" + std::string(Version()));
    headers_.Add("Expect:");
    Set(CURLOPT_HTTPHEADER, headers_.list);
  }

  void SetBody() {
    if (request_.form) {
      SetForm();
    } else if (!request_.file.empty()) {
      file_.reset(std::fopen(request_.file.c_str(), "rb"));
      ready_ = file_ != nullptr;
      std::error_code error;
      const auto size = std::filesystem::file_size(request_.file, error);
      ready_ = ready_ && !error;
      Set(CURLOPT_UPLOAD, 1L);
      Set(CURLOPT_READDATA, file_.get());
      Set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
    } else if (request_.body) {
      Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body->size()));
      Set(CURLOPT_POSTFIELDS, request_.body->data());
      headers_.Add("Content-Type: application/json");
    } else if (request_.method == "POST") {
      Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(0));
      Set(CURLOPT_POSTFIELDS, "");
    }
  }

  void SetForm() {
    mime_.reset(curl_mime_init(curl_.get()));
    for (const auto& [name, value] : *request_.form) {
      curl_mimepart* part = curl_mime_addpart(mime_.get());
      curl_mime_name(part, name.c_str());
      curl_mime_data(part, value.data(), value.size());
    }
    if (!request_.file_part.empty()) {
      curl_mimepart* part = curl_mime_addpart(mime_.get());
      curl_mime_name(part, request_.file_part.c_str());
      ready_ = curl_mime_filedata(part, request_.file.c_str()) == CURLE_OK;
      curl_mime_filename(part, request_.file_name.c_str());
      curl_mime_type(part, "application/jsonl");
    }
    Set(CURLOPT_MIMEPOST, mime_.get());
  }

  const HttpRequest& request_;
  const Patience patience_;
  Handle curl_;
  Mime mime_;
  File file_;
  HeaderList headers_;
  Answer answer_;
  char words_[CURL_ERROR_SIZE] = {};
  bool ready_ = true;
};

bool IsRepeatable(const HttpRequest& request) {
  return request.repeatable || request.method != "POST";
}

bool MayTryAgain(const HttpRequest& request, const HttpError& failure) {
  const ErrorCode code = failure.error.code;
  const bool refused_for_now = code == ErrorCode::kResourceExhausted && !failure.may_have_happened;
  const bool passing = code == ErrorCode::kUnavailable || code == ErrorCode::kDeadlineExceeded;
  return refused_for_now || (passing && (IsRepeatable(request) || !failure.may_have_happened));
}

}  // namespace

HttpClient::HttpClient(HttpOptions options, std::function<bool(Duration)> wait, std::uint64_t seed)
    : options_(options), wait_(std::move(wait)), seed_(seed) {}

HttpResult HttpClient::TryOnce(const HttpRequest& request) const {
  HttpResult result = Transfer(request, options_, wait_).Run();
  if (!result && IsCancelled(request)) result.error().error.code = ErrorCode::kCancelled;
  return result;
}

bool HttpClient::Wait(Duration time, const HttpRequest& request) const {
  if (!request.cancelled) return wait_(time);
  for (; time > Duration::zero(); time -= kPatience) {
    if (IsCancelled(request) || !wait_(std::min(time, kPatience))) return false;
  }
  return true;
}

HttpResult HttpClient::Send(const HttpRequest& request) const {
  rpc::Backoff backoff(options_.first_wait, options_.longest_wait, seed_);
  for (int left = options_.tries;; --left) {
    HttpResult result = TryOnce(request);
    std::optional<Duration> asked;
    if (result) {
      if (IsExpected(request, result->status)) return result;
      asked = RetryAfter(*result);
      if (asked && options_.on_busy) options_.on_busy(*asked);
      result = tl::unexpected(StatusError(request, *result));
    }
    if (left <= 1 || !MayTryAgain(request, result.error())) return result;
    // Who asks for more patience than we have gets an error that says so instead of a stuck call.
    if (asked && *asked > options_.longest_wait) return result;
    if (!Wait(asked.value_or(backoff.Next()), request)) return result;
  }
}

}  // namespace lathe::providers
