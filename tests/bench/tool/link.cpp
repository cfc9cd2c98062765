// SPDX-License-Identifier: GPL-2.0-or-later
// A slow line between two network namespaces, for kernels without netem: a TUN device in each, and this
// program between them. Each direction sends its packets one after the other at RATE, and each arrives DELAY
// later; up to 100 ms of packets wait for their turn, and what comes then is dropped. No packet is lost,
// reordered or delayed otherwise. The kernel hands over segments of one connection together (TSO); each
// counts with headers of its own.
//
//   link NAMESPACE NAMESPACE BITS_PER_SECOND MILLISECONDS COUNTERS
//
// The devices are called link0. COUNTERS is a file that holds, as numbers of 64 bits, the bytes of IP that
// were sent from the first and from the second namespace, and the packets that were dropped of both.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <string>
#include <vector>

namespace {

// What stands before each packet of such a device; the kernel's own header for it is no C++.
struct PacketHeader {
    uint8_t flags, gso_type;
    uint16_t header_length, gso_size, csum_start, csum_offset;
};
constexpr uint8_t gso_none = 0;

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds longest_wait{100};
constexpr size_t largest_packet = sizeof(PacketHeader) + 65536;

struct Packet {
    Clock::time_point arrives;
    std::vector<char> bytes;  // with its PacketHeader
};

struct Direction {
    int from, to;
    Clock::time_point free;  // when the line has sent all that waits
    std::deque<Packet> packets;
    uint64_t* sent;
};

[[noreturn]] void die(const std::string& what) {
    std::cerr << "link: " << what << ": " << std::strerror(errno) << "\n";
    std::exit(1);
}

int open_tun(const char* name) {
    const int network = open((std::string("/run/netns/") + name).c_str(), O_RDONLY);
    if (network < 0 || setns(network, CLONE_NEWNET) != 0) die(std::string("cannot enter namespace ") + name);
    close(network);
    const int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    ifreq request{};
    std::strcpy(request.ifr_name, "link0");
    request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request) != 0) die("cannot make a TUN device");
    if (ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) != 0) die("cannot set offloads");
    return tun;
}

// The bytes of IP that the packet is on the line.
uint64_t wire_length(const std::vector<char>& bytes) {
    PacketHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    const uint64_t length = bytes.size() - sizeof header;
    if (header.gso_type == gso_none || header.gso_size == 0) return length;
    // 20 bytes of IP; where TCP's checksum begins its header does, and its length is in its 13th byte.
    const size_t tcp = header.csum_start;
    const size_t at = sizeof header + tcp + 12;
    if (at >= bytes.size()) return length;
    const uint64_t headers = tcp + (static_cast<uint8_t>(bytes[at]) >> 4) * 4U;
    const uint64_t segments = (length - headers + header.gso_size - 1) / header.gso_size;
    return length + (segments - 1) * headers;
}

void take(Direction& direction, double seconds_per_byte, Clock::duration delay, uint64_t* dropped) {
    static std::array<char, largest_packet> buffer;
    for (;;) {
        const ssize_t length = read(direction.from, buffer.data(), buffer.size());
        if (length < static_cast<ssize_t>(sizeof(PacketHeader))) return;
        Packet packet{{}, {buffer.begin(), buffer.begin() + length}};
        const Clock::time_point now = Clock::now();
        if (direction.free > now + longest_wait) {
            ++*dropped;
            continue;
        }
        const uint64_t bytes = wire_length(packet.bytes);
        direction.free = std::max(direction.free, now) +
                         std::chrono::duration_cast<Clock::duration>(
                             std::chrono::duration<double>(seconds_per_byte * static_cast<double>(bytes)));
        packet.arrives = direction.free + delay;
        *direction.sent += bytes;
        direction.packets.push_back(std::move(packet));
    }
}

void deliver(Direction& direction) {
    while (!direction.packets.empty() && direction.packets.front().arrives <= Clock::now()) {
        const std::vector<char>& bytes = direction.packets.front().bytes;
        if (write(direction.to, bytes.data(), bytes.size()) < 0 && errno != EIO && errno != EINVAL)
            die("cannot deliver");
        direction.packets.pop_front();
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) die("usage: link NAMESPACE NAMESPACE BITS_PER_SECOND MILLISECONDS COUNTERS");
    const int file = open(argv[5], O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || ftruncate(file, 3 * sizeof(uint64_t)) != 0) die("cannot make the counters");
    void* mapped = mmap(nullptr, 3 * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) die("cannot map the counters");
    auto* counters = static_cast<uint64_t*>(mapped);
    const int first = open_tun(argv[1]);
    const int second = open_tun(argv[2]);
    const double seconds_per_byte = 8 / std::stod(argv[3]);
    const Clock::duration delay = std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double, std::milli>(std::stod(argv[4])));
    std::array<Direction, 2> directions{Direction{first, second, {}, {}, &counters[0]},
                                        Direction{second, first, {}, {}, &counters[1]}};
    // Without this a wait may be 50 microseconds longer.
    prctl(PR_SET_TIMERSLACK, 1UL);
    std::cout << "ready" << std::endl;
    for (;;) {
        Clock::time_point next = Clock::now() + std::chrono::seconds(1);
        for (const Direction& direction : directions)
            if (!direction.packets.empty()) next = std::min(next, direction.packets.front().arrives);
        const auto wait = std::max<int64_t>(0, std::chrono::nanoseconds(next - Clock::now()).count());
        const timespec time{wait / 1000000000, wait % 1000000000};
        std::array<pollfd, 2> polled{pollfd{first, POLLIN, 0}, pollfd{second, POLLIN, 0}};
        if (ppoll(polled.data(), polled.size(), &time, nullptr) < 0 && errno != EINTR) die("cannot wait");
        for (Direction& direction : directions) {
            take(direction, seconds_per_byte, delay, &counters[2]);
            deliver(direction);
        }
    }
}
