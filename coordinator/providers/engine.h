#pragma once
// An engine as data: what it can do, how a configuration becomes its requests, and what its answers
// mean. Read once from engines/*.json, which are part of the program; the README tells their form.
// Values, never changed; reading is thread-safe.

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace lathe::providers {

/// Keeps the order of keys, so that requests read as they were written down.
using Json = nlohmann::ordered_json;

/// A parameter of this engine alone, set in the configuration as `metadata.<engine>.<name>`.
struct CustomParameter {
  std::string name;
  std::string type;  ///< string, number, integer or boolean
  std::string description;
  bool required = false;
  Json default_value;  ///< null: none
  std::vector<std::string> values;
  std::optional<double> min;
  std::optional<double> max;
  bool exclusive_min = false;
  std::string pattern;  ///< of a string: a regular expression for all of it
};

/// A range that is stricter than the schema's.
struct Range {
  std::optional<double> min;
  std::optional<double> max;
  bool exclusive_max = false;
};

/// Parameter paths and the values (of the resolved configuration) that they must have one of.
using Conditions = std::map<std::string, std::vector<std::string>>;

/// One line of the body of the request that creates a job. Exactly one source.
struct Row {
  std::string from;    ///< path of a parameter
  std::string custom;  ///< name of a custom parameter
  Json constant;       ///< anything but null
  std::string to;      ///< place in the body, `a.b.0.c`

  std::string file;  ///< training or validation: the reference of that uploaded file
  Conditions when;
  std::string when_set;       ///< only if that parameter is set
  std::string unless_set;     ///< only if it is not
  std::string unless_custom;  ///< only if that custom parameter is not set
  bool only_if_set = false;   ///< without it the default of the schema is sent as well
  std::string contains;       ///< of a set: whether it has this token
  Json tokens;                ///< token → value; null: as it is
  bool integer = false;       ///< rounded
  std::string append;         ///< joined to the value with a dash; alone where there is none
};

/// A parameter that must be set in some cases.
struct Requirement {
  std::string path;
  std::string if_set;  ///< empty: always
  std::string message;
};

/// How a list that comes in pages goes on. Exactly one of `more` and `full`.
struct Pages {
  std::string parameter;  ///< of the query: asks for another page
  /// Where it stands whether there are more; the next page begins after the last entry's id.
  std::string more;
  /// Pages are numbered from 0; after one with so many entries there may be another.
  std::size_t full = 0;
};

/// An HTTP request with placeholders `{name}`.
struct RequestTemplate {
  std::string name;
  std::string method;
  std::string path;
  Json json;                                             ///< body; null: none
  std::optional<std::map<std::string, Json>> form;       ///< multipart fields
  std::string file;                                      ///< name of the part that holds the file
  bool file_body = false;                                ///< the file is the body
  std::vector<int> expect;                               ///< empty: 200 to 299
  std::map<std::string, std::vector<std::string>> save;  ///< placeholder ← places in the answer
  std::map<std::string, std::string> known;  ///< placeholder = text, no matter what is answered
  std::string only_if_saved;                 ///< skipped without that placeholder
  bool without_key = false;                  ///< to another host, which must not see the key
  bool repeatable = false;                   ///< doing it twice is doing it once
  int exists = 0;                            ///< status that says it was done before
  std::string idempotency_header;

  // Of an answer that is a list.
  std::string list;
  std::map<std::string, std::string> match;     ///< place in an entry = text
  std::map<std::string, std::string> contains;  ///< text is part of what stands there
  std::string id;
  std::optional<Pages> pages;
};

struct EventTemplate {
  std::optional<RequestTemplate> request;  ///< none: they stand in the answer to `query`
  std::string list;
  std::string id;
  std::string time;
  std::vector<std::string> message;  ///< its parts
  bool newest_first = false;
  std::optional<Pages> pages;
  std::string since;  ///< parameter of the query: only those from this step on
  std::map<std::string, std::string> metrics;
  /// Where the reason of a failure stands, in an event in which there is `failure_if` (place =
  /// text).
  std::string failure;
  std::map<std::string, std::string> failure_if;
};

/// What the answer to `query` means; each is a JSON pointer, empty: not told.
struct StatusTemplate {
  std::string state;
  std::map<std::string, std::string> states;  ///< theirs → starting, running, succeeded, ...
  std::string error;
  std::vector<std::string> model;  ///< the first place that has something
  std::string percent;
  std::string epoch;
};

struct Variant {
  Conditions when;
  std::map<std::string, std::string> set;
};

struct Engine {
  std::string id;
  std::string title;
  std::vector<std::string> sources;
  bool can_start = true;
  std::string reason;  ///< why it can't start jobs
  std::string note;    ///< what a user of it should know; a warning on each check
  std::string base_url;

  std::map<std::string, std::vector<std::string>> accepts;  ///< path → tokens; others are errors
  std::map<std::string, Range> ranges;
  std::map<std::string, std::size_t> lengths;  ///< path → most characters
  std::vector<std::string> optimizations;
  std::map<std::string, std::string> notes;  ///< path → why it is left out, or what to set instead
  std::vector<CustomParameter> custom;
  std::vector<Requirement> requirements;
  std::vector<std::string> uses;  ///< paths that need not be in the body
  /// Base models that are known to be there, `ft:*` for all that begin so; lists age, so another
  /// one is a warning. Empty: not known.
  std::vector<std::string> models;

  std::vector<Row> body;
  std::vector<Variant> variants;
  std::vector<RequestTemplate> upload;
  std::string file_reference;
  std::optional<RequestTemplate> discard;  ///< takes an uploaded file away again
  std::optional<RequestTemplate> create;
  std::optional<RequestTemplate> find;
  std::optional<RequestTemplate> query;
  std::optional<RequestTemplate> cancel;
  StatusTemplate status;
  std::vector<EventTemplate> events;  ///< all are read

  /// True for the cluster itself: its jobs are started by its own workers, not over HTTP.
  bool is_cluster() const { return id == "lathe"; }
};

/// Reads a description. kInvalidArgument names the key that is unknown or wrong.
Result<Engine> ReadEngine(std::string_view text);

/// The built-in engines, `lathe` first.
const std::vector<Engine>& Engines();

/// kNotFound with a did-you-mean.
Result<const Engine*> FindEngine(std::string_view id);

}  // namespace lathe::providers
