// SPDX-License-Identifier: GPL-2.0-or-later
// Errors as values: a Result<T> holds a T or an Error; each layer adds its context once.
#pragma once

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace regild {

// What a caller can do about an error; `cli` turns it into the exit code.
enum class Failure {
    failed,       // none of the others: a bug, a kernel without the target, an image that changed meanwhile
    usage,        // wrong arguments or configuration
    disk,         // this machine's disk or log: missing, unreadable, unwritable
    source,       // an answer came and is no good: 404, 416, no ranges, a bad certificate, a wrong hash
    network,      // no answer came, or one that promises better times: unreachable, stalled, 429, 5xx
    refused,      // a safety rule forbids it (other disk, unfinished volume, device mounted or mapped, ...)
    busy,         // another process has the device, and gives it back when it ends
    reboot,       // nothing more is to be done before the machine starts anew, as its owner wants it
    interrupted,  // SIGINT or SIGTERM; the state on disk is resumable
};

struct [[nodiscard]] Error {
    Failure kind = Failure::failed;
    std::string message;

    // "what: message", for the layer that knows what was being done.
    Error context(const std::string& what) const { return {kind, what + ": " + message}; }
    // The same message as another kind, for the layer that knows what failed.
    Error as(Failure other) const { return {other, message}; }
};

// An Error that ends in strerror(errno); call it before anything can change errno.
Error errno_error(const std::string& what, int error_number = errno);

template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
    Result(Error error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }
    T& value() & { return std::get<0>(state_); }
    const T& value() const& { return std::get<0>(state_); }
    T&& value() && { return std::get<0>(std::move(state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    const Error& error() const { return std::get<1>(state_); }

  private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

    bool ok() const { return !error_; }
    explicit operator bool() const { return ok(); }
    const Error& error() const { return *error_; }

  private:
    std::optional<Error> error_;
};

}  // namespace regild
