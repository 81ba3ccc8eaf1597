// Prints the table of options, from the one there is: for README.md, or with --man for the manual page.
// `scripts/options-table` puts both in their places.

#include <cstdio>
#include <string>
#include <string_view>

#include "options/options.hpp"

namespace {

using mempool::options::kTable;
using mempool::options::Row;

std::string text(std::string_view s) { return std::string{s}; }

void print_markdown() {
  std::puts("| variable | default | allowed | what it does |\n| --- | --- | --- | --- |");
  for (Row const& row : kTable)
    std::printf("| `%s` | `%s` | %s | %s |\n", text(row.name).c_str(), text(row.fallback).c_str(),
                text(row.allowed).c_str(), text(row.help).c_str());
}

/// roff takes a bare minus for a hyphen, and a dot or quote at the start of a line for a request.
std::string roff(std::string_view s) {
  std::string escaped = s.starts_with('.') || s.starts_with('\'') ? "\\&" : "";
  for (char const c : s) escaped += c == '-' ? "\\-" : c == '\\' ? "\\e" : std::string{c};
  return escaped;
}

void print_man() {
  for (Row const& row : kTable)
    std::printf(".TP\n.BR %s \" (%s; default %s)\"\n%s\n", roff(row.name).c_str(), roff(row.allowed).c_str(),
                roff(row.fallback).c_str(), roff(row.help).c_str());
}

}  // namespace

int main(int count, char** words) {
  bool const man = count == 2 && std::string_view{words[1]} == "--man";
  if (count > 1 && !man) {
    std::fputs("usage: print-options [--man]\n", stderr);
    return 2;
  }
  man ? print_man() : print_markdown();
}
