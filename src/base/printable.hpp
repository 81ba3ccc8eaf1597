// Names that somebody else chose, in lines of ours: without what would end a line or make a JSON object none.
#pragma once

#include <cstdint>
#include <string_view>

namespace mempool {

/// Bytes of the UTF-8 character at the front; 0 where there is none, or a control character.
constexpr unsigned printable_length(std::string_view text) noexcept {
  constexpr std::uint32_t least[] = {0, 0x20, 0x80, 0x800, 0x10000};
  auto const lead = static_cast<unsigned char>(text[0]);
  unsigned const length = lead < 0x80 ? 1 : lead < 0xc0 ? 5 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 5;
  if (length > 4 || length > text.size()) return 0;
  std::uint32_t code = length == 1 ? lead : lead & (0x7fu >> length);
  for (unsigned i = 1; i < length; ++i) {
    auto const next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return 0;
    code = code << 6 | (next & 0x3fu);
  }
  bool const is_surrogate = code >= 0xd800 && code < 0xe000;
  return code < least[length] || code == 0x7f || code > 0x10ffff || is_surrogate ? 0 : length;
}

/// Each byte that is no part of a printable character becomes a question mark.
constexpr void make_printable(char* text) noexcept {
  for (std::string_view rest{text}; !rest.empty();) {
    unsigned const length = printable_length(rest);
    if (length == 0) text[0] = '?';
    text += length == 0 ? 1 : length;
    rest.remove_prefix(length == 0 ? 1 : length);
  }
}

}  // namespace mempool
