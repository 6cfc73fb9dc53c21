#include "common/rpc/credentials.h"

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "common/base/file_io.h"

namespace lathe::rpc {
namespace {

constexpr std::uintmax_t kMaxPemBytes = 1 << 20;

struct OpenSslDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(unsigned char* text) const { OPENSSL_free(text); }
};
template <class T>
using OpenSslPtr = std::unique_ptr<T, OpenSslDeleter>;

Result<std::string> ReadPem(const std::filesystem::path& path, std::string_view key) {
  auto bytes = ReadFile(path, kMaxPemBytes);
  if (!bytes) return Failure(bytes.error().WithContext(key));
  return bytes;
}

OpenSslPtr<BIO> MemoryBio(const std::string& bytes) {
  return OpenSslPtr<BIO>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

// A key protected by a pass phrase would make OpenSSL ask on the terminal; a daemon has none.
int NoPassPhrase(char*, int, int, void*) {
  return 0;
}

Result<OpenSslPtr<X509>> ParseCertificate(const std::string& pem,
                                          const std::filesystem::path& path) {
  const auto bio = MemoryBio(pem);
  OpenSslPtr<X509> certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassPhrase, nullptr));
  ERR_clear_error();
  if (!certificate) {
    return Failure(ErrorCode::kInvalidArgument,
                   path.string() + " holds no PEM certificate (-----BEGIN CERTIFICATE-----).");
  }
  return certificate;
}

Status CheckPair(const std::string& certificate_pem, const std::string& key_pem,
                 const TlsFiles& files) {
  LATHE_ASSIGN_OR_RETURN(const auto certificate,
                         ParseCertificate(certificate_pem, files.certificate));
  const auto bio = MemoryBio(key_pem);
  const OpenSslPtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassPhrase, nullptr));
  const bool matches = key && X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!key) {
    return Failure(ErrorCode::kInvalidArgument,
                   files.key.string() + " holds no PEM private key without a pass phrase.");
  }
  if (!matches) {
    return Failure(ErrorCode::kInvalidArgument,
                   "tls.key " + files.key.string() + " does not belong to tls.cert " +
                       files.certificate.string() + "; give the key the certificate was made for.");
  }
  return {};
}

struct OwnPair {
  std::string certificate;
  std::string key;
};

Result<OwnPair> ReadPair(const TlsFiles& files) {
  if (files.certificate.empty() || files.key.empty()) {
    return Failure(ErrorCode::kInvalidArgument,
                   std::string("tls.cert and tls.key go together; tls.") +
                       (files.certificate.empty() ? "cert" : "key") + " is not set.");
  }
  LATHE_ASSIGN_OR_RETURN(std::string certificate, ReadPem(files.certificate, "tls.cert"));
  LATHE_ASSIGN_OR_RETURN(std::string key, ReadPem(files.key, "tls.key"));
  LATHE_RETURN_IF_ERROR(CheckPair(certificate, key, files));
  return OwnPair{std::move(certificate), std::move(key)};
}

Result<std::string> ReadAuthority(const std::filesystem::path& path, std::string_view key) {
  LATHE_ASSIGN_OR_RETURN(std::string pem, ReadPem(path, key));
  LATHE_RETURN_IF_ERROR(ParseCertificate(pem, path));
  return pem;
}

std::string_view HostOf(std::string_view address) {
  if (address.starts_with('[')) return address.substr(1, address.find(']') - 1);
  const auto colon = address.rfind(':');
  return colon == std::string_view::npos ? address : address.substr(0, colon);
}

}  // namespace

bool IsLocalAddress(std::string_view address) {
  if (address.starts_with("unix:")) return true;
  const std::string_view host = HostOf(address);
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

Result<std::shared_ptr<grpc::ServerCredentials>> ServerCredentials(const TlsFiles& files,
                                                                   std::string_view address) {
  if (!files.IsSet()) {
    if (IsLocalAddress(address)) return grpc::InsecureServerCredentials();
    return Failure(ErrorCode::kFailedPrecondition,
                   "Without TLS only a loopback address can be listened on, not " +
                       std::string(address) +
                       ". Set tls.cert and tls.key (and tls.client_ca), or listen on "
                       "127.0.0.1.");
  }
  LATHE_ASSIGN_OR_RETURN(OwnPair pair, ReadPair(files));
  const bool mutual = !files.authority.empty();
  grpc::SslServerCredentialsOptions options(
      mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
             : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  options.pem_key_cert_pairs.push_back({std::move(pair.key), std::move(pair.certificate)});
  if (mutual) {
    LATHE_ASSIGN_OR_RETURN(options.pem_root_certs, ReadAuthority(files.authority, "tls.client_ca"));
  }
  return grpc::SslServerCredentials(options);
}

Result<std::shared_ptr<grpc::ChannelCredentials>> ChannelCredentials(const TlsFiles& files,
                                                                     std::string_view address) {
  if (!files.IsSet()) {
    if (IsLocalAddress(address)) return grpc::InsecureChannelCredentials();
    return Failure(ErrorCode::kFailedPrecondition,
                   "Without TLS only a coordinator on this machine can be called, not " +
                       std::string(address) + ". Set tls.ca (and tls.cert, tls.key).");
  }
  if (files.authority.empty()) {
    return Failure(ErrorCode::kInvalidArgument,
                   "tls.ca is not set; it names the certificate authority of the coordinator.");
  }
  grpc::SslCredentialsOptions options;
  LATHE_ASSIGN_OR_RETURN(options.pem_root_certs, ReadAuthority(files.authority, "tls.ca"));
  if (!files.certificate.empty() || !files.key.empty()) {
    LATHE_ASSIGN_OR_RETURN(OwnPair pair, ReadPair(files));
    options.pem_cert_chain = std::move(pair.certificate);
    options.pem_private_key = std::move(pair.key);
  }
  return grpc::SslCredentials(options);
}

Result<std::string> CommonNameOf(const std::filesystem::path& certificate) {
  LATHE_ASSIGN_OR_RETURN(const std::string pem, ReadPem(certificate, "tls.cert"));
  LATHE_ASSIGN_OR_RETURN(const auto parsed, ParseCertificate(pem, certificate));
  const X509_NAME* subject = X509_get_subject_name(parsed.get());
  const int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (place < 0) return std::string();
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
  const OpenSslPtr<unsigned char> owned(text);
  ERR_clear_error();
  if (size < 0) return std::string();
  return std::string(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
}

bool LooksLikeTlsRefusal(std::string_view message) {
  for (const char* sign : {"Socket closed", "SSL", "handshake", "certificate"}) {
    if (message.find(sign) != message.npos) return true;
  }
  return false;
}

}  // namespace lathe::rpc
