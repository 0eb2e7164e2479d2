#include "app/recent_kills.h"

#include <algorithm>
#include <string>

namespace cryptnono::app {

std::string RecentKills::cut(std::string_view text) {
  constexpr std::string_view kMore = "...";
  if (text.size() <= kMaxText) return std::string(text);
  return std::string(text.substr(0, kMaxText - kMore.size())).append(kMore);
}

void RecentKills::add(status::Kill kill) {
  status::Who& who = kill.who;
  for (std::string* text :
       {&who.cmdline, &who.executable, &who.pod_namespace, &who.pod, &who.container, &who.image})
    *text = cut(*text);
  {
    const std::lock_guard lock(mutex_);
    const auto place =
        std::upper_bound(kills_.begin(), kills_.end(), kill.at,
                         [](double at, const status::Kill& other) { return at < other.at; });
    kills_.insert(place, std::move(kill));
    if (kills_.size() > kKept) kills_.pop_front();
  }
  if (added_) added_();
}

std::vector<status::Kill> RecentKills::newest_first() const {
  const std::lock_guard lock(mutex_);
  return {kills_.rbegin(), kills_.rend()};
}

}  // namespace cryptnono::app
