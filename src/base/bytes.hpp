// A size in bytes that cannot be confused with a count, an index or a percentage.
#pragma once

#include <compare>
#include <cstddef>

namespace mempool {

struct Bytes {
  std::size_t count = 0;

  friend constexpr auto operator<=>(Bytes, Bytes) = default;
  friend constexpr Bytes operator+(Bytes a, Bytes b) noexcept { return {a.count + b.count}; }
  friend constexpr Bytes operator-(Bytes a, Bytes b) noexcept { return {a.count - b.count}; }
  friend constexpr Bytes operator*(Bytes a, std::size_t n) noexcept { return {a.count * n}; }
  friend constexpr Bytes operator/(Bytes a, std::size_t n) noexcept { return {a.count / n}; }
};

/// Smallest multiple of `unit` (a power of two) that holds `n`. The caller has excluded overflow.
constexpr std::size_t round_up(std::size_t n, std::size_t unit) noexcept { return (n + unit - 1) & ~(unit - 1); }
constexpr std::size_t round_down(std::size_t n, std::size_t unit) noexcept { return n & ~(unit - 1); }

/// n - 1 differs from a power of two in more bits than it has: one comparison, and 0 is none.
constexpr bool is_power_of_two(std::size_t n) noexcept { return (n ^ (n - 1)) > n - 1; }

inline namespace literals {
constexpr Bytes operator""_B(unsigned long long n) noexcept { return {static_cast<std::size_t>(n)}; }
constexpr Bytes operator""_KiB(unsigned long long n) noexcept { return {static_cast<std::size_t>(n) << 10}; }
constexpr Bytes operator""_MiB(unsigned long long n) noexcept { return {static_cast<std::size_t>(n) << 20}; }
constexpr Bytes operator""_GiB(unsigned long long n) noexcept { return {static_cast<std::size_t>(n) << 30}; }
}  // namespace literals

}  // namespace mempool
