#include <gradus/tools/gradcheck/edges/closed_forms.h>

namespace gradus::tools {

std::vector<EdgeForm> edge_forms() {
  std::vector<EdgeForm> all;
  for (const auto& part :
       {edge_forms_of_one(), edge_forms_of_two(), edge_forms_of_rows(), edge_forms_of_layers(), edge_forms_of_products()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace gradus::tools
