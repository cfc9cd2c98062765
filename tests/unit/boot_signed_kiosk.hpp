// SPDX-License-Identifier: GPL-2.0-or-later
// A kiosk with a key, by which its store is to be signed.
#pragma once

#include "boot_kiosk.hpp"

namespace regild::test {

class SignedKiosk : public Kiosk {
  public:
    explicit SignedKiosk(std::size_t blocks = image_blocks,
                         const std::filesystem::path& parent = std::filesystem::temp_directory_path())
        : Kiosk(blocks, parent) {
        trust_in({&key});
    }
    void trust_in(std::initializer_list<const codec::PrivateKey*> keys, store::Freshness freshness = {}) {
        std::string pem;
        for (const codec::PrivateKey* each : keys)
            pem += each->public_pem();
        trust = store::Trust(codec::PublicKeys::parse(pem).value(), "", freshness);
    }
    // All that is in the store.
    void sign(const codec::PrivateKey& with) {
        std::vector<std::filesystem::path> documents;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(directory / "store"))
            if (entry.path().extension() == ".json") documents.push_back(entry.path());
        for (const std::filesystem::path& path : documents)
            write_file(path.string() + ".sig", with.sign(read_file(path)));
    }
    void sign() { sign(key); }
    std::filesystem::path path_of(const std::string& channel) const {
        return directory / ("store/kiosk/" + channel + ".json");
    }
    // In the store, signed by this key alone.
    void serve(const format::Channel& channel, const codec::PrivateKey& with) {
        const std::string text = format::serialize_channel(channel);
        write_file(path_of(channel.name), text);
        write_file(path_of(channel.name).string() + ".sig", with.sign(text));
    }
    void serve(const format::Channel& channel) { serve(channel, key); }

    // That counts; 0: none does.
    std::uint64_t known_serial(const std::string& channel = "stable") {
        const store::KnownChannels known(record().channels, "kiosk", trust);
        return known.with_name(channel) ? known.with_name(channel)->serial : 0;
    }
    bool said(const std::string& part) const { return observer.lines.find(part) != std::string::npos; }

    codec::PrivateKey key = codec::PrivateKey::generate();
};

}  // namespace regild::test
