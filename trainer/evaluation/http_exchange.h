#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sextant::trainer {

// One POST of JSON.
struct HttpRequest {
  std::string url, body;
};

struct HttpReply {
  int64_t status = 0;  // 0: there was no reply
  std::string body;    // at most kLargestReply bytes
  std::string fault;   // where there was none, or not a whole one: why
};

// How requests are made.
struct HttpManner {
  std::string bearer;   // what Authorization carries; "" for none. It is in no message.
  std::string ca_file;  // PEM certificates that https is checked against; "" for the system's
  double timeout_seconds = 120;
  int64_t attempts = 5;
  int64_t at_a_time = 4;
  double first_wait_seconds = 0.5;  // before the second attempt; doubled each time, at most kLongestWait
};

inline constexpr uint64_t kLargestReply = uint64_t{64} << 20;
inline constexpr double kLongestWait = 60;  // seconds

// The replies to all requests, some of them made at a time. No connection, no whole reply in time, and status
// 408, 429 and 5xx are tried again, after the time that the server's Retry-After names where it does; what
// came last is the reply then. http and https alone, no redirects; https checks the server's certificate, and
// one that is not believed is not tried again.
// Throws Error(kEnvironment) where libcurl itself fails.
std::vector<HttpReply> post_all(const std::vector<HttpRequest>& requests, const HttpManner& manner);

}  // namespace sextant::trainer
