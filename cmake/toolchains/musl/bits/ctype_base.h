// The classes of characters, for headers that want them declared: the bits of glibc's tables are none of musl's.
#pragma GCC system_header

namespace std {

struct ctype_base {
  using __to_type = const int*;
  using mask = unsigned short;
  static const mask upper = 1, lower = 2, alpha = 4, digit = 8, xdigit = 16, space = 32, print = 64, cntrl = 128,
                    punct = 256, blank = 512, alnum = alpha | digit, graph = alnum | punct;
};

}  // namespace std
