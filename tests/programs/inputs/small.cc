#include <iostream>
#include <map>
#include <string>

int main() {
  std::map<std::string, int> table;
  for (int i = 0; i < 1000; ++i) table[std::to_string(i * 7919 % 1000)] += i;
  std::cout << table.size() << '\n';
}
