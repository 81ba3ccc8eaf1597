// errno is the program's: what is called on its behalf leaves it as it was.
#pragma once

#include <cerrno>

namespace mempool {

class KeepErrno {
 public:
  KeepErrno() noexcept : saved_{errno} {}
  ~KeepErrno() { errno = saved_; }
  KeepErrno(const KeepErrno&) = delete;
  KeepErrno& operator=(const KeepErrno&) = delete;

 private:
  int saved_;
};

}  // namespace mempool
