#include "trainer/evaluation/http_exchange.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

using Clock = std::chrono::steady_clock;

// libcurl's own beginning, which must be over before threads use it.
void begin_curl() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (::curl_global_init(CURL_GLOBAL_DEFAULT) != 0) fail_environment("libcurl can not begin");
  });
}

size_t take_body(char* data, size_t size, size_t count, void* reply) {
  std::string& body = static_cast<HttpReply*>(reply)->body;
  if (body.size() + size * count > kLargestReply) return 0;  // ends the transfer
  body.append(data, size * count);
  return size * count;
}

bool worth_another(const HttpReply& reply) {
  return !reply.fault.empty() || reply.status == 408 || reply.status == 429 || reply.status >= 500;
}

using Header = std::unique_ptr<curl_slist, void (*)(curl_slist*)>;
using Easy = std::unique_ptr<CURL, void (*)(CURL*)>;
using Multi = std::unique_ptr<CURLM, CURLMcode (*)(CURLM*)>;

// One request on its way.
struct Transfer {
  size_t request = 0;
  int64_t attempt = 0;
  Clock::time_point begins;  // not before
  Easy easy{nullptr, ::curl_easy_cleanup};
};

class Exchange {
 public:
  Exchange(const std::vector<HttpRequest>& requests, const HttpManner& manner)
      : requests_(requests),
        manner_(manner),
        replies_(requests.size()),
        multi_(::curl_multi_init(), ::curl_multi_cleanup),
        header_(::curl_slist_append(nullptr, "Content-Type: application/json"), ::curl_slist_free_all) {
    if (multi_ == nullptr || header_ == nullptr) fail_environment("libcurl has no memory");
    if (!manner.bearer.empty())
      ::curl_slist_append(header_.get(), ("Authorization: Bearer " + manner.bearer).c_str());
    for (size_t i = 0; i < requests.size(); ++i) waiting_.push_back({i, 0, Clock::now()});
  }
  ~Exchange() {
    for (Transfer& one : running_) ::curl_multi_remove_handle(multi_.get(), one.easy.get());
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  std::vector<HttpReply> run() {
    while (!waiting_.empty() || !running_.empty()) {
      begin_some();
      int busy = 0;
      if (::curl_multi_perform(multi_.get(), &busy) != CURLM_OK) fail_environment("libcurl can not go on");
      end_some();
      constexpr int kLooksEvery = 50;  // milliseconds, at requests that wait for their time
      ::curl_multi_poll(multi_.get(), nullptr, 0, kLooksEvery, nullptr);
    }
    return std::move(replies_);
  }

 private:
  const std::vector<HttpRequest>& requests_;
  const HttpManner& manner_;
  std::vector<HttpReply> replies_;
  Multi multi_;
  Header header_;
  std::vector<Transfer> waiting_, running_;

  void begin_some() {
    for (size_t i = 0; i < waiting_.size() && std::ssize(running_) < manner_.at_a_time;) {
      if (waiting_[i].begins > Clock::now()) {
        ++i;
        continue;
      }
      running_.push_back(std::move(waiting_[i]));
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
      begin(running_.back());
    }
  }

  void begin(Transfer& transfer) {
    const HttpRequest& request = requests_[transfer.request];
    replies_[transfer.request] = {};
    transfer.easy.reset(::curl_easy_init());
    CURL* easy = transfer.easy.get();
    if (easy == nullptr) fail_environment("libcurl has no memory");
    ::curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    ::curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    ::curl_easy_setopt(easy, CURLOPT_HTTPHEADER, header_.get());
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    ::curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(manner_.timeout_seconds * 1000));
    ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    if (!manner_.ca_file.empty()) ::curl_easy_setopt(easy, CURLOPT_CAINFO, manner_.ca_file.c_str());
    ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &replies_[transfer.request]);
    ++transfer.attempt;
    if (::curl_multi_add_handle(multi_.get(), easy) != CURLM_OK)
      fail_environment("libcurl can not begin a request");
  }

  void end_some() {
    int left = 0;
    while (CURLMsg* message = ::curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURLcode code = message->data.result;
      auto ended = std::find_if(running_.begin(), running_.end(),
                                [&](const Transfer& one) { return one.easy.get() == message->easy_handle; });
      ::curl_multi_remove_handle(multi_.get(), ended->easy.get());
      Transfer transfer = std::move(*ended);
      running_.erase(ended);
      take(std::move(transfer), code);
    }
  }

  void take(Transfer transfer, CURLcode code) {
    HttpReply& reply = replies_[transfer.request];
    long status = 0;
    curl_off_t after = 0;
    ::curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    ::curl_easy_getinfo(transfer.easy.get(), CURLINFO_RETRY_AFTER, &after);
    reply.status = status;
    if (code != CURLE_OK) reply.fault = fault_text(code, reply);
    if (is_final(code) || !worth_another(reply) || transfer.attempt >= manner_.attempts) return;
    double wait = manner_.first_wait_seconds *
                  std::ldexp(1.0, static_cast<int>(std::min<int64_t>(transfer.attempt - 1, 20)));
    wait = std::min(kLongestWait, std::max(wait, static_cast<double>(after)));
    transfer.begins =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(wait));
    transfer.easy.reset();
    waiting_.push_back(std::move(transfer));
  }

  // What another attempt does not change.
  static bool is_final(CURLcode code) {
    return code == CURLE_WRITE_ERROR || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT ||
           code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
  }

  std::string fault_text(CURLcode code, const HttpReply& reply) const {
    if (code == CURLE_WRITE_ERROR) return fmt::format("its reply is longer than {} bytes", kLargestReply);
    if (code == CURLE_OPERATION_TIMEDOUT)
      return fmt::format("no whole reply in {} s ({} bytes came)", manner_.timeout_seconds,
                         reply.body.size());
    if (code == CURLE_PEER_FAILED_VERIFICATION)
      return "no authority that is known here vouches for its certificate; name one in endpoint.ca_file";
    if (code == CURLE_SSL_CACERT_BADFILE)
      return fmt::format("{} holds no certificates in PEM form that can be read", manner_.ca_file);
    return ::curl_easy_strerror(code);
  }
};

}  // namespace

std::vector<HttpReply> post_all(const std::vector<HttpRequest>& requests, const HttpManner& manner) {
  begin_curl();
  return Exchange(requests, manner).run();
}

}  // namespace sextant::trainer
