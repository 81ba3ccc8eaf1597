// A small HTTP server that lives in a container smaller than its caches: requests from a pool, answers in buffers,
// pages and thumbnails in caches, and the monitor that asks all of them when memory runs short.
//
// Usage: server PORT                          serves /page/N and /thumbnail/N on 127.0.0.1 until it is stopped
//        server [--load [MIB]] [--stubborn]   asks itself for 16 MiB of them, or for MIB (400), each of them twice
//
// With --stubborn nothing has a name, so the monitor knows of nothing to ask: a container of 128 MiB kills the load.
// Threads: one per core accepts and answers, a connection at a time.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "mempool/buffer_manager.hpp"
#include "mempool/generational_cache.hpp"
#include "mempool/http_request_pool.hpp"
#include "mempool/memory_monitor.hpp"

namespace {

constexpr std::size_t kPageBytes = 16000;
constexpr std::size_t kThumbnailBytes = 4000;
constexpr std::size_t kLongestRequest = 4096;
constexpr auto kDisk = std::chrono::microseconds{100};  // what a page takes to be read

[[noreturn]] void fail(const char* call) { throw std::system_error{errno, std::generic_category(), call}; }

/// A file descriptor, closed at its end.
class descriptor {
 public:
  explicit descriptor(int number, const char* call) : number_{number} {
    if (number < 0) fail(call);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() { ::close(number_); }
  int get() const noexcept { return number_; }

 private:
  int const number_;
};

bool send_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

class server {
 public:
  server(std::uint16_t port, std::size_t cache_bytes, bool is_stubborn)
      : requests_{{.initial = 50, .max_idle = 200, .name = is_stubborn ? "" : "requests"}},
        buffers_{{.max_bytes = std::size_t{16} << 20, .name = is_stubborn ? "" : "buffers"}},
        pages_{options(cache_bytes / 5 * 4, is_stubborn ? "" : "pages")},
        thumbnails_{options(cache_bytes / 5, is_stubborn ? "" : "thumbnails")},
        socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"} {
    int const yes = 1;
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const address = reinterpret_cast<sockaddr*>(&at);
    if (::bind(socket_.get(), address, sizeof at) != 0) fail("bind");
    if (::listen(socket_.get(), 64) != 0) fail("listen");
    socklen_t length = sizeof at;
    ::getsockname(socket_.get(), address, &length);
    port_ = ntohs(at.sin_port);
    unsigned const cores = std::max(2u, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < cores; ++i) workers_.emplace_back([this] { work(); });
  }
  /// Answers what has been asked, and ends. Clients close their connections first.
  ~server() { ::shutdown(socket_.get(), SHUT_RDWR); }

  std::uint16_t port() const noexcept { return port_; }
  std::size_t workers() const noexcept { return workers_.size(); }
  std::size_t cached() const noexcept { return pages_.bytes() + thumbnails_.bytes(); }
  void wait() { workers_.clear(); }

 private:
  using page = std::shared_ptr<const std::string>;
  using cache = mempool::generational_cache<std::size_t, page>;

  static cache::options options(std::size_t capacity, std::string name) {
    return {.capacity = capacity,
            .weigh = [](const std::size_t&, const page& value) { return value->size(); },
            .name = std::move(name)};
  }

  void work() {
    for (;;) {
      int const number = ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (number < 0) return;
      descriptor const connection{number, "accept"};
      try {
        while (serve_one(connection.get())) {
        }
      } catch (const std::exception& error) {  // this connection ends, and no other
        std::fprintf(stderr, "server: %s\n", error.what());
      }
    }
  }

  /// One request and its answer. False where the connection has ended.
  bool serve_one(int connection) {
    mempool::buffer input = buffers_.allocate(kLongestRequest);
    auto* const text = reinterpret_cast<char*>(input.data());
    std::string_view head;
    for (std::size_t filled = 0; head.empty();) {
      ssize_t const got = ::recv(connection, text + filled, kLongestRequest - filled, 0);
      if (got <= 0) return false;
      filled += static_cast<std::size_t>(got);
      std::string_view const so_far{text, filled};
      if (auto const end = so_far.find("\r\n\r\n"); end != so_far.npos) head = so_far.substr(0, end + 2);
      else if (filled == kLongestRequest) throw std::runtime_error{"a request is longer than 4096 bytes"};
    }
    auto const request = parse(head);
    page const body = request->method == "GET" ? find(request->url) : nullptr;
    return answer(connection, body == nullptr ? "404 Not Found" : "200 OK", body);
  }

  /// The line and the headers of a request, in an object that has seen others like it.
  mempool::http_request_pool::handle parse(std::string_view head) {
    auto const line = head.substr(0, head.find("\r\n"));
    auto const method = line.substr(0, line.find(' '));
    auto url = line.substr(std::min(line.size(), method.size() + 1));
    url = url.substr(0, url.find(' '));
    auto request = requests_.create(method, url);
    for (head.remove_prefix(line.size() + 2); !head.empty();) {
      auto const header = head.substr(0, head.find("\r\n"));
      head.remove_prefix(header.size() + 2);
      if (auto const colon = header.find(':'); colon != header.npos)
        request->headers.set(header.substr(0, colon), header.substr(std::min(header.size(), colon + 2)));
    }
    return request;
  }

  page find(std::string_view url) {
    struct kind {
      std::string_view prefix;
      cache& from;
      std::size_t bytes;
    };
    for (auto const& [prefix, from, bytes] :
         {kind{"/page/", pages_, kPageBytes}, kind{"/thumbnail/", thumbnails_, kThumbnailBytes}}) {
      if (!url.starts_with(prefix)) continue;
      std::string_view const digits = url.substr(prefix.size());
      std::size_t number = 0;
      if (auto const [end, error] = std::from_chars(digits.begin(), digits.end(), number);
          error != std::errc{} || end != digits.end())
        return nullptr;
      return from.get_or_load(number, [size = bytes](std::size_t wanted) {  // one read, whoever asks
        std::this_thread::sleep_for(kDisk);
        return std::make_shared<const std::string>(size, static_cast<char>('a' + wanted % 26));
      });
    }
    return nullptr;
  }

  bool answer(int connection, const char* status, const page& body) {
    std::size_t const size = body == nullptr ? 0 : body->size();
    char head[96];
    auto const length = static_cast<std::size_t>(
        std::snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status, size));
    mempool::buffer output = buffers_.allocate(length + size);
    std::memcpy(output.data(), head, length);
    if (size != 0) std::memcpy(output.data() + length, body->data(), size);
    return send_all(connection, {reinterpret_cast<const char*>(output.data()), output.size()});
  }

  mempool::http_request_pool requests_;
  mempool::buffer_manager buffers_;
  cache pages_;
  cache thumbnails_;
  descriptor socket_;
  std::uint16_t port_ = 0;
  std::vector<std::jthread> workers_;  // last, so that they end first
};

/// The load: each client has a connection and asks for its share. Returns the number of answers that were wrong.
std::size_t ask_for(std::uint16_t port, std::size_t pages, std::size_t first, std::size_t step) {
  descriptor const connection{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"};
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(connection.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) fail("connect");

  std::size_t wrong = 0;
  std::vector<char> answer(kPageBytes + 96);
  auto const is_right = [&](const char* kind, std::size_t number, std::size_t body) {
    std::string const request =
        "GET /" + std::string{kind} + "/" + std::to_string(number) + " HTTP/1.1\r\nHost: here\r\n\r\n";
    if (!send_all(connection.get(), request)) return false;
    std::size_t filled = 0;
    for (std::size_t whole = answer.size(); filled < whole;) {
      ssize_t const got = ::recv(connection.get(), answer.data() + filled, answer.size() - filled, 0);
      if (got <= 0) return false;
      filled += static_cast<std::size_t>(got);
      auto const end = std::string_view{answer.data(), filled}.find("\r\n\r\n");
      if (end != std::string_view::npos) whole = end + 4 + body;
    }
    return filled > body && answer[filled - 1] == static_cast<char>('a' + number % 26);
  };
  for (std::size_t number = first; number < pages; number += step)
    for (bool const answered : {is_right("page", number, kPageBytes), is_right("thumbnail", number, kThumbnailBytes)})
      if (!answered) ++wrong;
  return wrong;
}

/// How long memory stays at or above 80 %, counted in the monitor's looks.
class look_counter {
 public:
  explicit look_counter(const mempool::memory_monitor& monitor) : monitor_{monitor} {}

  std::atomic<unsigned> above{0}, longest_above{0};

 private:
  void watch(std::stop_token stop) {
    unsigned in_a_row = 0;
    for (std::uint64_t seen = 0; !stop.stop_requested(); std::this_thread::sleep_for(std::chrono::milliseconds{2})) {
      auto const now = monitor_.now();
      if (now.looks == seen) continue;
      seen = now.looks;
      in_a_row = now.ratio() >= 0.8 ? in_a_row + 1 : 0;
      if (in_a_row != 0) ++above;
      longest_above = std::max(longest_above.load(), in_a_row);
    }
  }

  const mempool::memory_monitor& monitor_;
  std::jthread thread_{[this](std::stop_token stop) { watch(stop); }};
};

int run_load(std::size_t mib, bool is_stubborn, const mempool::memory_monitor& monitor) {
  std::size_t const pages = (mib << 20) / (kPageBytes + kThumbnailBytes);
  server here{0, std::max<std::size_t>(mib, 1) << 20, is_stubborn};
  look_counter const looks{monitor};
  std::atomic<std::size_t> wrong{0};
  for (int round = 0; round < 2; ++round) {
    std::vector<std::jthread> clients;
    for (std::size_t i = 0; i < here.workers(); ++i)
      clients.emplace_back([&, i] { wrong += ask_for(here.port(), pages, i, here.workers()); });
  }
  auto const now = monitor.now();
  std::printf("%zu pages and thumbnails asked for twice, %zu answers wrong, %zu MiB cached at the end\n", pages,
              wrong.load(), here.cached() >> 20);
  std::printf("%u looks at or above 80 %%, at most %u in a row; %.0f %% at the end\n", looks.above.load(),
              looks.longest_above.load(), 100 * now.ratio());
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) try {
  std::size_t mib = 16;
  std::uint16_t port = 0;
  bool is_stubborn = false;
  for (int i = 1; i < count; ++i) {
    std::string_view const word = words[i];
    if (word == "--stubborn") {
      is_stubborn = true;
    } else if (word == "--load") {
      mib = i + 1 < count && words[i + 1][0] != '-' ? std::strtoul(words[++i], nullptr, 10) : 400;
    } else if (auto const [end, error] = std::from_chars(word.begin(), word.end(), port);
               error != std::errc{} || end != word.end() || port == 0) {
      std::fprintf(stderr, "usage: server PORT | server [--load [MIB]] [--stubborn]\n");
      return 2;
    }
  }

  mempool::memory_monitor monitor;
  auto const told = monitor.on_change([](mempool::level before, const mempool::memory_snapshot& now) {
    std::fprintf(stderr, "server: level %d, was %d; %llu MiB in use, holders hold %llu MiB\n", now.level,
                 static_cast<int>(before), static_cast<unsigned long long>(now.usage >> 20),
                 static_cast<unsigned long long>(now.held >> 20));
  });
  if (auto const error = monitor.start(); error != mempool::monitor_error::none)
    std::fprintf(stderr, "server: nobody watches memory: %s\n", std::string{message(error)}.c_str());

  if (port == 0) return run_load(mib, is_stubborn, monitor);
  server here{port, std::size_t{400} << 20, is_stubborn};
  std::printf("serving http://127.0.0.1:%d/page/1\n", here.port());
  std::fflush(stdout);
  here.wait();
} catch (const std::exception& error) {
  std::fprintf(stderr, "server: %s\n", error.what());
  return 1;
}
