// SPDX-License-Identifier: GPL-2.0-or-later
// An HTTP server on loopback for tests of the fetcher: a function says what to answer to each request.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "base/fd.hpp"
#include "files.hpp"
#include "loopback_listener.hpp"

namespace regild::test {

struct HttpRequest {
    std::string path;
    std::string head;  // all of it
    std::uint64_t first = 0;
    std::uint64_t last = 0;  // of the range, where there is one
    bool has_range = false;
};

enum class Afterwards { keep_alive, close, reset };

// The body comes a byte at a time at first.
struct Drip {
    std::size_t bytes = 0;
    std::chrono::milliseconds pause{};  // before each of them
};

struct HttpReply {
    std::string bytes;  // head and body as they are sent
    Afterwards afterwards = Afterwards::keep_alive;
    Drip drip = {};
};

// The 206 that a correct server sends.
inline HttpReply partial_content(const std::string& file, const HttpRequest& request) {
    const std::string body = file.substr(request.first, request.last - request.first + 1);
    return {"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " + std::to_string(request.first) + "-" +
            std::to_string(request.last) + "/" + std::to_string(file.size()) +
            "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
}

inline HttpReply status_only(const std::string& status_and_headers) {
    return {"HTTP/1.1 " + status_and_headers + "\r\nContent-Length: 0\r\n\r\n"};
}

// The 200 that a correct server sends.
inline HttpReply whole_content(const std::string& file) {
    return {"HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(file.size()) + "\r\n\r\n" + file};
}

// What a correct server of the files in `folder` answers.
inline HttpReply file_content(const std::filesystem::path& folder, const HttpRequest& request) {
    const std::filesystem::path path = folder.string() + request.path;
    if (!std::filesystem::exists(path)) return status_only("404 Not Found");
    return request.has_range ? partial_content(read_file(path), request) : whole_content(read_file(path));
}

// The first half of its body, and then nothing more.
inline HttpReply broken_off(HttpReply reply) {
    const std::size_t head = reply.bytes.find("\r\n\r\n") + 4;
    reply.bytes.resize(head + (reply.bytes.size() - head) / 2);
    reply.afterwards = Afterwards::close;
    return reply;
}

class HttpServer {
  public:
    using Answer = std::function<HttpReply(const HttpRequest&)>;

    // `answer` is called by one thread at a time.
    explicit HttpServer(Answer answer) : answer_(std::move(answer)) {
        accepter_ = std::thread([this] { accept_all(); });
    }
    ~HttpServer() {
        listener_.close();
        accepter_.join();
        {
            const std::lock_guard lock(mutex_);
            for (Connection& connection : connections_)
                shutdown(connection.fd.get(), SHUT_RDWR);
        }
        for (Connection& connection : connections_)
            connection.thread.join();
    }
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    std::string url(const std::string& path) const {
        return "http://127.0.0.1:" + std::to_string(listener_.port()) + path;
    }
    std::size_t connections() {
        const std::lock_guard lock(mutex_);
        return connections_.size();
    }

  private:
    struct Connection {
        Fd fd;
        std::thread thread;
    };

    void accept_all() {
        for (;;) {
            Fd fd = listener_.next();
            if (!fd) return;
            const std::lock_guard lock(mutex_);
            Connection& connection = connections_.emplace_back();
            connection.fd = std::move(fd);
            connection.thread = std::thread([this, &connection] { serve(connection.fd.get()); });
        }
    }

    void serve(int fd) {
        std::string received;
        for (;;) {
            std::size_t end = 0;
            while ((end = received.find("\r\n\r\n")) == std::string::npos) {
                char buffer[4096];
                const ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
                if (got <= 0) return;
                received.append(buffer, static_cast<std::size_t>(got));
            }
            const HttpRequest request = parse(received.substr(0, end + 4));
            received.erase(0, end + 4);
            HttpReply reply;
            {
                const std::lock_guard lock(mutex_);
                reply = answer_(request);
            }
            const std::size_t head = reply.bytes.find("\r\n\r\n") + 4;
            std::size_t sent = 0;
            while (sent < reply.bytes.size()) {
                std::size_t piece = reply.bytes.size() - sent;
                if (reply.drip.bytes > 0 && sent < head) {
                    piece = head - sent;
                } else if (reply.drip.bytes > sent - head && reply.drip.bytes > 0) {
                    std::this_thread::sleep_for(reply.drip.pause);
                    piece = 1;
                }
                const ssize_t n = send(fd, reply.bytes.data() + sent, piece, MSG_NOSIGNAL);
                if (n <= 0) return;
                sent += static_cast<std::size_t>(n);
            }
            if (reply.afterwards == Afterwards::keep_alive) continue;
            if (reply.afterwards == Afterwards::reset) {
                // Connecting a TCP socket to nowhere resets its connection; the descriptor stays ours.
                sockaddr nowhere{};
                nowhere.sa_family = AF_UNSPEC;
                connect(fd, &nowhere, sizeof(nowhere));
            }
            shutdown(fd, SHUT_RDWR);
            return;
        }
    }

    static HttpRequest parse(const std::string& head) {
        HttpRequest request;
        request.head = head;
        const std::size_t path = head.find(' ') + 1;
        request.path = head.substr(path, head.find(' ', path) - path);
        const std::size_t range = head.find("Range: bytes=");
        if (range == std::string::npos) return request;
        request.has_range = true;
        const std::size_t first = range + 13;
        const std::size_t dash = head.find('-', first);
        request.first = std::stoull(head.substr(first, dash - first));
        request.last = std::stoull(head.substr(dash + 1));
        return request;
    }

    Answer answer_;
    LoopbackListener listener_;
    std::mutex mutex_;  // guards the connections and the answers
    std::list<Connection> connections_;
    std::thread accepter_;
};

}  // namespace regild::test
