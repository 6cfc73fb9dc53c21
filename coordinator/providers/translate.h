#pragma once
// A configuration as the requests that an engine gets. Pure and thread-safe.

#include <map>
#include <string>
#include <vector>

#include "coordinator/providers/engine.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::providers {

/// Texts for placeholders. What is not known yet stays `{name}` in a request.
using Placeholders = std::map<std::string, std::string>;

/// One HTTP request, or one call of this cluster's own API. The engine's key is not in it: it goes
/// into the header `Authorization: Bearer` when the request is sent.
struct EngineRequest {
  std::string name;
  std::string method;  ///< GET, POST, PUT, or `gRPC`
  std::string path;    ///< below the engine's base URL; for gRPC: /package.Service/Call
  std::map<std::string, std::string> headers;
  Json body;                                ///< null: none, or a form
  std::map<std::string, std::string> form;  ///< fields of multipart/form-data
  std::string file_part;                    ///< the part with the file's bytes; empty: none
  bool file_is_body = false;
  std::string file_role;  ///< training or validation, when a file goes with it
};

/// What placeholders stand for, as far as the configuration says: custom parameters that are part
/// of paths, and variants.
Placeholders KnownPlaceholders(const Engine& engine, const v1::JobConfiguration& configuration);

/// Puts texts into placeholders; in paths they are percent-encoded, but for `{+name}`, which holds
/// several segments.
std::string Fill(const std::string& text, const Placeholders& placeholders);
std::string FillPath(const std::string& path, const Placeholders& placeholders);

/// One request from its template; `body` is used where the template has none of its own.
EngineRequest FillRequest(const RequestTemplate& request, const Placeholders& placeholders,
                          const Json& body);

/// The body of the request that creates the job. Placeholders of uploaded files stand in it as
/// `{training_file}` and `{validation_file}`.
Json CreateBody(const Engine& engine, const v1::JobConfiguration& configuration);

/// The files that the engine gets: training, validation.
std::vector<std::string> FileRoles(const Engine& engine, const v1::JobConfiguration& configuration);

/// Every request from the upload of the data to the start, in order. The configuration is checked
/// (CheckEngine); what is wrong with it gives requests that the engine will refuse. Secrets in it
/// stand in the requests: redact them first for anyone to see.
std::vector<EngineRequest> Translate(const Engine& engine,
                                     const v1::JobConfiguration& configuration);

}  // namespace lathe::providers
