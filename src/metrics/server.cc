#include "metrics/server.h"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <exception>

namespace cryptnono::metrics {

namespace {

class Callback : public prometheus::Collectable {
 public:
  explicit Callback(Server::Collect collect) : collect_(std::move(collect)) {}
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
    Exposition exposition;
    collect_(exposition);
    return exposition.take();
  }

 private:
  Server::Collect collect_;
};

std::string joined(const std::vector<std::string>& addresses) {
  std::string out;
  for (const std::string& address : addresses) {
    // civetweb takes a bare port for all addresses.
    out += (out.empty() ? "" : ",") + (address.starts_with(":") ? address.substr(1) : address);
  }
  return out;
}

}  // namespace

struct Server::State {
  explicit State(const std::string& addresses) : exposer(addresses, 1) {}
  std::shared_ptr<Callback> callback;
  prometheus::Exposer exposer;
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(const std::vector<std::string>& addresses,
                                              Collect collect) {
  const std::string all = joined(addresses);
  try {  // the library's way to say that it cannot listen
    auto state = std::make_unique<State>(all);
    state->callback = std::make_shared<Callback>(std::move(collect));
    state->exposer.RegisterCollectable(state->callback, "/**");
    state->exposer.RegisterCollectable(state->callback, "/");
    return std::unique_ptr<Server>(new Server(std::move(state)));
  } catch (const std::exception& error) {
    return fail("cannot serve metrics on " + all + ": " + error.what());
  }
}

}  // namespace cryptnono::metrics
