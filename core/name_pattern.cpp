#include <gradus/core/name_pattern.h>

namespace gradus {

bool matches_pattern(const char* pattern, const char* name) {
  const char *star = nullptr, *resume = nullptr;
  while (*name) {
    if (*pattern == '*') star = pattern++, resume = name;
    else if (*pattern == *name || *pattern == '?') ++pattern, ++name;
    else if (star) pattern = star + 1, name = ++resume;
    else return false;
  }
  while (*pattern == '*') ++pattern;
  return *pattern == 0;
}

}  // namespace gradus
