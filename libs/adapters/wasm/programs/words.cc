// As people write them: containers, streams, lambdas, virtual calls. Knows nothing of Godwit.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

struct Statistic {
  virtual ~Statistic() = default;
  virtual void see(const std::string &word) = 0;
  virtual std::string tell() const = 0;
};
struct Most : Statistic {
  std::map<std::string, int> counts;
  void see(const std::string &word) override { ++counts[word]; }
  std::string tell() const override {
    std::vector<std::pair<std::string, int>> all(counts.begin(), counts.end());
    std::stable_sort(all.begin(), all.end(), [](const auto &a, const auto &b) { return a.second > b.second; });
    std::ostringstream out;
    for (size_t i = 0; i < all.size() && i < 3; i++) out << all[i].first << "=" << all[i].second << " ";
    return out.str();
  }
};
struct Lengths : Statistic {
  double sum = 0, n = 0;
  void see(const std::string &word) override { sum += word.size(); n++; }
  std::string tell() const override { std::ostringstream out; out << "mean " << sum / n; return out.str(); }
};

int main() {
  std::vector<std::unique_ptr<Statistic>> statistics;
  statistics.push_back(std::make_unique<Most>());
  statistics.push_back(std::make_unique<Lengths>());
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    for (std::string word; words >> word;) for (auto &s : statistics) s->see(word);
    for (auto &s : statistics) std::cout << s->tell() << "; ";
    std::cout << std::endl;
  }
}
