#pragma once
// Folders as manifests: which file has which content. Paths in a manifest come from another
// process, so they are checked before they touch the disk. Thread-safe.

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "lathe/v1/artifact.pb.h"

namespace lathe::artifacts {

/// A path that stays inside its folder: relative, forward slashes, no empty, "." or ".." part, no
/// NUL, no backslash, at most 1024 bytes. kInvalidArgument otherwise.
Status CheckRelativePath(std::string_view path);

/// Every path and hash well formed, no path twice and none that is a folder of another.
Status CheckManifest(const v1::Manifest& manifest);

/// A manifest as bytes that can be stored themselves, so that a folder has one name: JSON
/// {"files": [{"path", "sha256", "size"}, ...]}. Equal manifests give equal bytes.
std::string ManifestText(const v1::Manifest& manifest);
/// The other way, with what CheckManifest demands; kInvalidArgument says what is wrong.
Result<v1::Manifest> ParseManifest(std::string_view text);

/// Hashes every regular file below `folder`, sorted by path. A symbolic link is refused: what it
/// points at need not be part of the folder.
Result<v1::Manifest> DescribeFolder(const std::filesystem::path& folder);

/// Brings one blob to a path; used by Materialise.
using FetchBlob = std::function<Status(const v1::Blob& blob, const std::filesystem::path& target)>;

/// Fills a fresh folder beside `folder`, then renames it into place: `folder` is either complete or
/// not there. kAlreadyExists when it exists.
Status Materialise(const v1::Manifest& manifest, const std::filesystem::path& folder,
                   const FetchBlob& fetch);

}  // namespace lathe::artifacts
