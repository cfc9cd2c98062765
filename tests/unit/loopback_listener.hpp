// SPDX-License-Identifier: GPL-2.0-or-later
// A socket that listens on loopback, at a port that was free.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <stdexcept>

#include "base/fd.hpp"

namespace regild::test {

class LoopbackListener {
  public:
    LoopbackListener() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof(address);
        if (!socket_ || bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
            listen(socket_.get(), 64) != 0 ||
            getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
            throw std::runtime_error("no server on loopback");
        port_ = ntohs(address.sin_port);
    }
    std::uint16_t port() const { return port_; }
    // The next connection; nothing after close().
    Fd next() { return Fd(accept(socket_.get(), nullptr, nullptr)); }
    void close() { shutdown(socket_.get(), SHUT_RDWR); }

  private:
    Fd socket_;
    std::uint16_t port_ = 0;
};

}  // namespace regild::test
