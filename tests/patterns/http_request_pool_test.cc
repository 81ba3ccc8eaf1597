#include "mempool/http_request_pool.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace mempool {
namespace {

// -- What the seed does

TEST(HttpRequestPool, holds_fifty_requests_at_the_start_and_two_hundred_at_most) {
  http_request_pool pool;
  EXPECT_EQ(pool.stats().idle, 50u);
  std::vector<http_request_pool::handle> requests;
  for (int i = 0; i < 300; ++i) requests.push_back(pool.create("GET", "/"));
  requests.clear();
  EXPECT_EQ(pool.stats().idle, 200u);
}

TEST(HttpRequestPool, a_request_has_its_method_its_url_and_the_time_and_nothing_else) {
  http_request_pool pool;
  auto const before = std::chrono::system_clock::now();
  auto const request = pool.create("GET", "/v1/users");
  EXPECT_EQ(request->method, "GET");
  EXPECT_EQ(request->url, "/v1/users");
  EXPECT_TRUE(request->headers.empty());
  EXPECT_TRUE(request->body.empty());
  EXPECT_GE(request->timestamp, before);
}

TEST(HttpRequestPool, a_request_that_comes_back_is_emptied) {
  http_request_pool pool{{.initial = 1}};
  http_request* address = nullptr;
  {
    auto const request = pool.create("POST", "/v1/users");
    request->headers.set("authorization", "secret");
    request->body = "secret";
    address = request.get();
  }
  auto const next = pool.create("GET", "/");
  EXPECT_EQ(next.get(), address);
  EXPECT_TRUE(next->headers.empty());
  EXPECT_EQ(next->headers.find("authorization"), nullptr);
  EXPECT_TRUE(next->body.empty());
}

// -- What the seed does not

TEST(HttpRequestPool, a_request_like_the_one_before_it_needs_no_memory) {
  http_request_pool pool{{.initial = 1}};
  std::string const url(100, 'u'), name(100, 'n'), value(100, 'v'), body(1000, 'b');
  auto const fill = [&] {
    auto request = pool.create("OPTIONS-WITH-A-LONG-NAME", url);
    request->headers.set(name, value);
    request->headers.set("host", value);
    request->body.assign(body);
    return std::vector<const void*>{request->method.data(), request->url.data(), request->body.data(),
                                    request->headers.find(name)->data(), request->headers.find("host")->data()};
  };
  auto const first = fill();
  EXPECT_EQ(fill(), first) << "every string lies where it lay";
}

TEST(HttpRequestPool, a_request_that_grew_large_is_not_kept) {
  http_request_pool pool{{.initial = 1}};
  pool.create("PUT", "/")->body.assign(100'000, 'b');
  EXPECT_EQ(pool.stats().idle, 0u);
  pool.create("PUT", "/")->body.assign(10'000, 'b');
  EXPECT_EQ(pool.stats().idle, 1u);
}

TEST(HttpRequestPool, counts_the_memory_that_idle_requests_keep_and_gives_it_back) {
  http_request_pool pool{{.initial = 0, .name = "requests"}};
  pool.create("PUT", "/")->body.assign(10'000, 'b');
  EXPECT_GE(pool.bytes(), 10'000u);
  EXPECT_GE(pool.shrink({SIZE_MAX, pass::destructive, level::critical}), 10'000u);
  EXPECT_EQ(pool.bytes(), 0u);
}

TEST(HttpRequestPool, serves_many_threads) {
  http_request_pool pool;
  auto const serve = [&pool](const std::string& url) {
    for (int round = 0; round < 200; ++round) {
      auto const request = pool.create("GET", url);
      request->headers.set("url", url);
      ASSERT_EQ(request->url, *request->headers.find("url"));
      ASSERT_EQ(request->headers.size(), 1u);
    }
  };
  std::jthread const a{serve, "/a"}, b{serve, "/b"}, c{serve, "/c"};
}

// -- Headers

TEST(HttpHeaders, are_in_the_order_they_were_set_and_a_name_has_one_value) {
  http_headers headers;
  headers.set("a", "1");
  headers.set("b", "2");
  headers.set("c", "3");
  headers.set("b", "4");
  EXPECT_EQ((std::vector<http_headers::value_type>{headers.begin(), headers.end()}),
            (std::vector<http_headers::value_type>{{"a", "1"}, {"b", "4"}, {"c", "3"}}));
  EXPECT_EQ(*headers.find("b"), "4");
  EXPECT_EQ(headers.find("B"), nullptr);
}

TEST(HttpHeaders, can_be_erased_one_by_one) {
  http_headers headers;
  for (auto const* name : {"a", "b", "c"}) headers.set(name, name);
  EXPECT_TRUE(headers.erase("a"));
  EXPECT_FALSE(headers.erase("a"));
  EXPECT_EQ(headers.begin()->first, "b");
  EXPECT_EQ(headers.size(), 2u);
  headers.set("d", "4");
  EXPECT_EQ((headers.end() - 1)->first, "d");
  EXPECT_EQ(headers.find("a"), nullptr);
}

}  // namespace
}  // namespace mempool
