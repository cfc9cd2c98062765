// SPDX-License-Identifier: GPL-2.0-or-later
// What no restore can beat by much: it is told which bytes of a URL go where, fetches just those over at most
// 16 connections, compares nothing with anything, writes, and flushes once at the end.
//
//   floor URL TARGET raw|hashed|zstd <PLAN
//
// PLAN has one order a line:
//   zero AT LENGTH     a hole in TARGET, in bytes
//   get BEGIN LENGTH   a range of URL, of which the lines that follow tell where its pieces go
//   put LENGTH AT      the next LENGTH bytes of the range; with zstd they are a frame of at most 1 MiB
// With hashed each piece's SHA-256 is taken, as who verifies raw bytes cannot spare it.
// It tells its requests and the bytes of their bodies on the standard output.
#include <fcntl.h>
#include <unistd.h>
#include <array>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <curl/curl.h>
#include <openssl/evp.h>
#include <zstd.h>

namespace {

constexpr size_t connections = 16;
constexpr size_t largest_block = 1 << 20;

struct Piece {
    size_t length;
    off_t at;
};

struct Request {
    unsigned long long begin, length;
    std::vector<Piece> pieces;
};

struct Hole {
    off_t at, length;
};

struct Transfer {
    CURL* easy = nullptr;
    const Request* request = nullptr;
    std::string body;
};

[[noreturn]] void die(const std::string& why) {
    std::cerr << "floor: " << why << "\n";
    std::exit(1);
}

size_t receive(char* bytes, size_t, size_t count, void* transfer) {
    static_cast<Transfer*>(transfer)->body.append(bytes, count);
    return count;
}

void start(CURLM* multi, Transfer& transfer, const Request& request) {
    transfer.request = &request;
    transfer.body.clear();
    const std::string range =
        std::to_string(request.begin) + "-" + std::to_string(request.begin + request.length - 1);
    curl_easy_setopt(transfer.easy, CURLOPT_RANGE, range.c_str());
    curl_multi_add_handle(multi, transfer.easy);
}

void put(int target, const void* bytes, size_t length, off_t at) {
    if (pwrite(target, bytes, length, at) != static_cast<ssize_t>(length)) die("cannot write");
}

void hash(const char* bytes, size_t length) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    if (EVP_Digest(bytes, length, digest.data(), nullptr, EVP_sha256(), nullptr) != 1) die("cannot hash");
}

void land(int target, const Transfer& transfer, bool compressed, bool hashed) {
    static std::array<char, largest_block> block;
    long status = 0;
    curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 206 || transfer.body.size() != transfer.request->length)
        die("the server gave something else");
    const char* bytes = transfer.body.data();
    for (const Piece& piece : transfer.request->pieces) {
        if (compressed) {
            const size_t size = ZSTD_decompress(block.data(), block.size(), bytes, piece.length);
            if (ZSTD_isError(size)) die("a frame that is none");
            put(target, block.data(), size, piece.at);
        } else {
            if (hashed) hash(bytes, piece.length);
            put(target, bytes, piece.length, piece.at);
        }
        bytes += piece.length;
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) die("usage: floor URL TARGET raw|hashed|zstd <PLAN");
    const bool compressed = std::string(argv[3]) == "zstd", hashed = std::string(argv[3]) == "hashed";
    std::vector<Request> requests;
    std::vector<Hole> holes;
    std::string order;
    unsigned long long first = 0, second = 0, bytes = 0;
    while (std::cin >> order >> first >> second) {
        if (order == "zero") holes.push_back({static_cast<off_t>(first), static_cast<off_t>(second)});
        if (order == "get") requests.push_back({first, second, {}});
        if (order == "put") requests.back().pieces.push_back({first, static_cast<off_t>(second)});
    }

    const int target = open(argv[2], O_WRONLY);
    if (target < 0) die("cannot open the target");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM* multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(connections));
    std::array<Transfer, connections> transfers;
    auto next = requests.begin();
    for (Transfer& transfer : transfers) {
        transfer.easy = curl_easy_init();
        curl_easy_setopt(transfer.easy, CURLOPT_URL, argv[1]);
        curl_easy_setopt(transfer.easy, CURLOPT_WRITEFUNCTION, receive);
        curl_easy_setopt(transfer.easy, CURLOPT_WRITEDATA, &transfer);
        curl_easy_setopt(transfer.easy, CURLOPT_PRIVATE, &transfer);
        curl_easy_setopt(transfer.easy, CURLOPT_BUFFERSIZE, 256L << 10);
        if (next != requests.end()) start(multi, transfer, *next++);
    }
    int running = 0;
    curl_multi_perform(multi, &running);
    for (const Hole& hole : holes)
        if (fallocate(target, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, hole.at, hole.length) != 0)
            die("cannot zero");
    do {
        curl_multi_perform(multi, &running);
        int left = 0;
        while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
            Transfer* transfer = nullptr;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
            if (message->data.result != CURLE_OK) die(curl_easy_strerror(message->data.result));
            bytes += transfer->body.size();
            land(target, *transfer, compressed, hashed);
            curl_multi_remove_handle(multi, transfer->easy);
            if (next != requests.end()) {
                start(multi, *transfer, *next++);
                running = 1;
            }
        }
        if (running != 0) curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    } while (running != 0);
    if (fdatasync(target) != 0) die("cannot flush");
    std::cout << requests.size() << " " << bytes << "\n";
    return 0;
}
