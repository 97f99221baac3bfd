// The program of the tests. A warning (docs/warnings.md) that a test case did not ask for fails it: it is a false alarm, or
// a mistake of the test. Who makes one on purpose has a handler of its own meanwhile, or NoWarnings.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <gradus/core/error.h>
#include <gradus/core/warning.h>

#include <doctest/doctest.h>

namespace {

struct NoWarningUnasked final : doctest::IReporter {
  explicit NoWarningUnasked(const doctest::ContextOptions&) {}

  void test_case_start(const doctest::TestCaseData&) override { listen(); }
  void test_case_reenter(const doctest::TestCaseData&) override { listen(); }
  void test_run_end(const doctest::TestRunStats&) override { gradus::set_warning_handler({}); }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  static void listen() {
    gradus::forget_warnings();
    gradus::set_warning_handler([](gradus::Warning w, const std::string& message) {
      ADD_FAIL_CHECK_AT(__FILE__, __LINE__, gradus::join("nobody asked for warning ", to_string(w), " in ", message));
    });
  }
};
REGISTER_LISTENER("warnings", 1, NoWarningUnasked);

}  // namespace
