#pragma once
// Bytes of small safetensors and GGUF files, made by hand so that tests do not rest on the writer.

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace lathe::trainer::formats {

template <class T>
void Put(std::string& bytes, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes.append(raw, sizeof(T));
}

/// Without the fsync that a test of thousands of files cannot afford.
inline void WriteQuickly(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string SafetensorsBytes(std::string_view header, std::size_t data_bytes) {
  std::string bytes;
  Put<std::uint64_t>(bytes, header.size());
  bytes += header;
  return bytes + std::string(data_bytes, '\x01');
}

inline void PutString(std::string& bytes, std::string_view text) {
  Put<std::uint64_t>(bytes, text.size());
  bytes += text;
}

inline std::string GgufHeader(std::uint32_t version, std::uint64_t tensors, std::uint64_t keys) {
  std::string bytes = "GGUF";
  Put(bytes, version);
  Put(bytes, tensors);
  Put(bytes, keys);
  return bytes;
}

/// A sound file: one string key, one list of strings, one float, one F32 tensor "w" of 3 x 2.
inline std::string SoundGguf() {
  std::string bytes = GgufHeader(3, 1, 3);
  PutString(bytes, "general.architecture");
  Put<std::uint32_t>(bytes, 8);
  PutString(bytes, "llama");
  PutString(bytes, "tokens");
  Put<std::uint32_t>(bytes, 9);
  Put<std::uint32_t>(bytes, 8);
  Put<std::uint64_t>(bytes, 2);
  PutString(bytes, "a");
  PutString(bytes, "bc");
  PutString(bytes, "eps");
  Put<std::uint32_t>(bytes, 6);
  Put<float>(bytes, 0.5F);
  PutString(bytes, "w");
  Put<std::uint32_t>(bytes, 2);
  Put<std::uint64_t>(bytes, 2);
  Put<std::uint64_t>(bytes, 3);
  Put<std::uint32_t>(bytes, 0);
  Put<std::uint64_t>(bytes, 0);
  bytes.resize((bytes.size() + 31) / 32 * 32);
  for (int i = 0; i < 6; ++i) Put<float>(bytes, static_cast<float>(i));
  return bytes;
}

}  // namespace lathe::trainer::formats
