// SPDX-License-Identifier: GPL-2.0-or-later
// regild keygen, sign: who vouches for what a store offers. Neither needs the store.
#include <filesystem>

#include "base/read_file.hpp"
#include "base/replace_file.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "codec/ed25519.hpp"
#include "format/manifest.hpp"

namespace regild::cli {
namespace {

constexpr mode_t private_mode = 0600;
constexpr mode_t public_mode = 0644;
constexpr std::size_t max_key_size = 4096;  // bytes of PEM: one of Ed25519 has 119

Result<void> check_is_new(const std::filesystem::path& path) {
    std::error_code error;
    if (std::filesystem::symlink_status(path, error).type() == std::filesystem::file_type::not_found)
        return {};
    return Error{Failure::refused,
                 path.string() + " exists; a key is never overwritten: choose another name"};
}

Result<ExitCode> run_keygen(const Environment& environment, const Arguments& arguments) {
    const std::filesystem::path private_path = arguments.operands()[0];
    const std::filesystem::path public_path = private_path.string() + ".pub";
    for (const std::filesystem::path& path : {private_path, public_path})
        if (Result<void> is_new = check_is_new(path); !is_new) return is_new.error();
    const codec::PrivateKey key = codec::PrivateKey::generate();
    if (Result<void> written = replace_file(private_path, key.pem(), private_mode); !written)
        return written.error();
    if (Result<void> written = replace_file(public_path, key.public_pem(), public_mode); !written)
        return written.error();
    environment.out << "private key " << printable(private_path.string())
                    << ": keep it off every server and kiosk\n"
                    << "public key  " << printable(public_path.string())
                    << ": name it with \"keys\" in the configuration of the kiosks\n";
    return ExitCode::clean;
}

Result<codec::PrivateKey> read_key(const std::string& path) {
    const Result<std::string> pem =
        path == "-" ? read_file("/dev/stdin", max_key_size) : read_secret(path, max_key_size);
    if (!pem) return pem.error().as(Failure::usage).context("--key");
    Result<codec::PrivateKey> key = codec::PrivateKey::parse(*pem);
    return key ? key : key.error().context("--key " + path);
}

// A kiosk would refuse what this version cannot read, whoever signed it.
Result<std::string> read_document(const std::filesystem::path& path) {
    Result<std::string> text = read_file(path, format::max_manifest_size + 1);
    if (!text) return text.error().as(Failure::usage);
    const auto refuse = [&](const Error& why) { return why.as(Failure::usage).context(path.string()); };
    const Result<format::DocumentType> type = format::document_type(*text);
    if (!type) return refuse(type.error());
    if (*type == format::DocumentType::channel) {
        if (const auto channel = format::parse_channel(*text); !channel) return refuse(channel.error());
    } else if (const auto manifest = format::parse_manifest(*text); !manifest) {
        return refuse(manifest.error());
    }
    return text;
}

Result<ExitCode> run_sign(const Environment& environment, const Arguments& arguments) {
    const Result<codec::PrivateKey> key = read_key(arguments.value("key"));
    if (!key) return key.error();
    std::vector<std::string> texts;
    for (const std::string& path : arguments.operands()) {
        Result<std::string> text = read_document(path);
        if (!text) return text.error();
        texts.push_back(*std::move(text));
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::string path = arguments.operands()[i] + ".sig";
        if (Result<void> written = replace_file(path, key->sign(texts[i]), public_mode); !written)
            return written.error();
        environment.out << printable(path) << "\n";
    }
    return ExitCode::clean;
}

}  // namespace

const Command keygen_command{
    .name = "keygen",
    .summary = "make a pair of keys to sign with",
    .description =
        "Writes an Ed25519 private key in PEM to FILE, readable by its owner alone, and\n"
        "the public key to FILE.pub. 'openssl genpkey -algorithm ed25519' makes the same.",
    .options = {},
    .operands = "FILE",
    .many_operands = false,
    .run = run_keygen};

const Command sign_command{
    .name = "sign",
    .summary = "sign manifests and channels",
    .description =
        "Writes beside each DOCUMENT, a manifest or a channel, its signature as\n"
        "DOCUMENT.sig. Nothing else of the store is needed, so that the key can stay on a\n"
        "machine of its own.",
    .options = {{"key", "FILE", "the private key (PEM); - is the standard input", Need::here}},
    .operands = "DOCUMENT...",
    .many_operands = true,
    .run = run_sign};

}  // namespace regild::cli
