#pragma once
// lathe config save, list, get, copy, delete: the library of saved configurations.

#include <string>

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct ConfigSaveOptions {
  std::string name;
  std::string file;  ///< any dialect; "-" is standard input; empty: the template's configuration
  std::string description;
  std::string template_name;
  std::string project;  ///< share with it; empty: private
  bool require_valid = false;
  bool replace = false;  ///< change the one that is there; what is not given stays
  std::string etag;      ///< with `replace`: only if it is still that
  std::string request_id;
};
Outcome RunConfigSave(Context& context, const ConfigSaveOptions& options);

struct ConfigListOptions {
  std::string name;  ///< part of it
  std::string template_name;
  std::string method;
  std::string base_model;
  bool valid = false;    ///< only those without errors
  bool invalid = false;  ///< only those with errors
  std::string order = "name";
  std::string project;  ///< those shared with it
  bool all = false;     ///< everybody's, for services
  unsigned limit = 50;  ///< 0: all
};
Outcome RunConfigList(Context& context, const ConfigListOptions& options);

struct ConfigGetOptions {
  std::string name;
  std::string download;  ///< print it as a file in this dialect
};
Outcome RunConfigGet(Context& context, const ConfigGetOptions& options);

struct ConfigCopyOptions {
  std::string name;
  std::string copy;
};
Outcome RunConfigCopy(Context& context, const ConfigCopyOptions& options);

struct ConfigDeleteOptions {
  std::string name;
  std::string etag;
};
Outcome RunConfigDelete(Context& context, const ConfigDeleteOptions& options);

}  // namespace lathe::cli
