// Hostile and broken templates: each ends with an error, in bounded time and memory.

#include <gtest/gtest.h>

#include "common/base/random.h"
#include "worker/trainer/chat_template/chat_template.h"

namespace lathe::trainer::chat_template {
namespace {

bool Renders(const std::string& source) {
  const auto parsed = ChatTemplate::Parse(source);
  return parsed && parsed->Render({}, Instant{});
}

std::string Repeated(std::string_view part, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += part;
  return text;
}

TEST(Limits, HostileTemplatesEndWithAnError) {
  const std::string hostile[] = {
      "{{ " + Repeated("(", 100000) + "1" + Repeated(")", 100000) + " }}",
      "{{ " + Repeated("[", 100000) + Repeated("]", 100000) + " }}",
      "{{ " + Repeated("not ", 100000) + "1 }}",
      "{{ " + Repeated("-", 100000) + "1 }}",
      "{{ 1" + Repeated(" + 1", 100000) + " }}",
      "{{ x" + Repeated(".a", 100000) + " }}",
      "{{ x" + Repeated("|trim", 100000) + " }}",
      Repeated("{% if 1 %}", 100000),
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
      "{{ range(1000000000) }}",
      "{{ 'a' * 1000000000 }}",
      "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}"
      "{% endfor %}",
      "{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = [ns.s, ns.s] %}"
      "{% endfor %}{{ ns.s }}",
      "{% set ns = namespace(s=[1]) %}{% for i in range(100000) %}{% set ns.s = [ns.s] %}"
      "{% endfor %}",
      "{% set ns = namespace() %}{% set ns.self = ns %}",
      "{% set ns = namespace() %}{% set ns.self = [ns] %}",
      "{% for i in range(1000000) %}" + std::string(100000, 'x') + "{% endfor %}",
  };
  for (const std::string& source : hostile) EXPECT_FALSE(Renders(source)) << source.substr(0, 60);
}

TEST(Limits, MutatedTemplatesNeverCrash) {
  const std::string sound =
      "{%- set ns = namespace(a=1) %}{% macro m(x, y='z') %}{{ x ~ y }}{% endmacro %}\n"
      "{% for i in range(3) if i %}{{ loop.index }}{{ m(i)[0:2] }}{% else %}none{% endfor %}\n"
      "{%- if ns.a is defined and 'a' in 'abc' -%}{{ {'k': [1, 2.5]} | tojson }}{% elif 1 %}x"
      "{% endif %}{% generation %}{{ 'text'.split('x') | join(', ') }}{% endgeneration %}{# c #}";
  ASSERT_TRUE(Renders(sound));
  const std::string_view alphabet = "{}%#-+'\"()[]|.,: \naix0";
  Random random(5);
  for (int round = 0; round < 5000; ++round) {
    std::string source = sound;
    for (std::uint64_t i = 0; i < 1 + random.Below(4); ++i) {
      const std::size_t at = random.Below(source.size());
      if (random.Below(3) == 0) {
        source.erase(at, 1 + random.Below(6));
      } else {
        source[at] = alphabet[random.Below(alphabet.size())];
      }
      if (source.empty()) source = sound;
    }
    Renders(source);
  }
}

}  // namespace
}  // namespace lathe::trainer::chat_template
