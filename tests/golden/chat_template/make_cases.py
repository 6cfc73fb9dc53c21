"""Records what Jinja2, set up as transformers sets it up for chat templates, makes of each case.

    pip install jinja2==3.1.6 && python make_cases.py > cases.json
"""
import json
import sys

from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment


def raise_exception(message):
    raise TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


ENV = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
ENV.filters["tojson"] = tojson
ENV.globals["raise_exception"] = raise_exception

CONTEXT = {
    "messages": [
        {"role": "system", "content": "  Be brief.\n"},
        {"role": "user", "content": "Héllo 'you' \"there\" 日本 😀"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"function": {"name": "f", "arguments": {"a": 1, "b": [True, None, 1.5]}}}]},
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nok"},
    ],
    "tools": [{"name": "f", "parameters": {"x": "int"}}, {"name": "g", "parameters": {}}],
    "n": 7, "x": 2.5, "empty": [], "words": ["b", "A", "c", "a"], "bos_token": "<s>", "s": "abcdef",
}

TEMPLATES = [
    # White space.
    "a\n{% if true %}\nb\n{% endif %}\nc\n", "  {% if true %}\n  b\n  {% endif %}\nc",
    "x {%- if true -%}  b  {%- endif -%}  y", "  {{- n }}  {{ n -}}  z", "{# note #}\na", "  {#- note -#}  a",
    "  {%+ if true %}a{% endif %}", "{% if true +%}\na{% endif %}", "a\r\nb{% if 1 %}\r\nc{% endif %}", "a\n\n",
    "{% raw %}{{ x }}{% if %}{% endraw %}|", "  {%- raw -%}  {{ x }}  {%- endraw %}  b", "{{ '{{' }}{{ '%}' }}",
    "{% for i in [1,2] %}\n  {{ i }}\n{% endfor %}\n", "text  \n\t {% set a = 1 %}\n{{ a }}", "{{ n }}\n\n{{ n }}\n",
    # Literals, operators.
    "{{ 1 + 2 * 3 - 4 / 2 }}", "{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }}",
    "{{ 'a' ~ 1 ~ none ~ true }}", "{{ 'ab' * 3 }}{{ [1] * 2 }}", "{{ 1 == 1.0 }} {{ 'a' != 'b' }} {{ true == 1 }}",
    "{{ 1 < 2 and 2 < 3 or false }}", "{{ not 1 is none }}", "{{ 'b' in 'abc' }} {{ 1 in [1] }} {{ 'z' not in {'z': 1} }}",
    "{{ 'x' if n > 5 else 'y' }}{{ 'q' if false }}", "{{ [1, 'a', none, 1.0, {'k': 'v'}] }}", "{{ (1, 2)[1] }}",
    "{{ 'it\\'s' }}{{ \"q\\n\\t\\u00e9\\x41\" }}", "{{ 1e3 }} {{ 1.5 }} {{ 100000.0 }} {{ 1e16 }} {{ 0.00001 }} {{ 1_000 }}",
    "{{ -n }} {{ +n }} {{ - -n }} {{ -n|abs }}", "{{ 'a' 'b' }}", "{{ {'a': {'b': 1}}.a.b }}", "{{ {'a': 1}['a'] }}",
    "{{ [\"it's\", 'q\"q', 'both\\'\"', 'n\\n'] }}", "{{ 3 > 2 }} {{ 3 >= 3 }} {{ 'b' > 'a' }} {{ [1, 2] < [1, 3] }}",
    # Access.
    "{{ messages[0].role }} {{ messages[0]['content'] }} {{ messages[-1]['role'] }}", "{{ missing }}|{{ messages[0].missing }}",
    "{{ s[1:3] }} {{ s[::-1] }} {{ s[-2:] }} {{ s[:-2] }} {{ s[5:1:-2] }} {{ s[10:] }} {{ s[-10:2] }}",
    "{{ words[1:] }} {{ words[::2] }} {{ words[::-1] }} {{ words[:100] }}", "{{ messages[1].content[0] }} {{ messages[1].content[1:5] }}",
    "{{ missing.a }}", "{{ messages[99] }}", "{{ messages[99].role }}", "{{ n.a }}|", "{{ messages[0].items() | map('join', '=') | list }}",
    # Statements.
    "{% for m in messages %}{{ loop.index }}/{{ loop.length }}{{ loop.first }}{{ loop.last }} {% endfor %}",
    "{% for m in messages if m.role == 'assistant' %}{{ loop.index0 }}{{ loop.revindex }} {% else %}none{% endfor %}",
    "{% for m in empty %}x{% else %}none{% endfor %}", "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for m in messages %}{{ loop.previtem.role }}>{{ loop.nextitem.role }} {% endfor %}",
    "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% set a = 1 %}{% for i in [1] %}{% set a = 2 %}{{ a }}{% endfor %}{{ a }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set ns = namespace(a=1) %}{% for i in [1, 2] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}",
    "{% if false %}a{% elif n == 7 %}b{% else %}c{% endif %}", "{% set t %}x{{ n }}{% endset %}[{{ t }}]",
    "{% macro m(a, b='z') %}<{{ a }}{{ b }}>{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(b=3, a=4) }}",
    "{% macro m(t) %}{% if t is mapping %}{% for k in t %}{{ k }}:{{ m(t[k]) }} {% endfor %}{% else %}{{ t }}{% endif %}{% endmacro %}{{ m({'a': {'b': 1}}) }}",
    "{% set g = 5 %}{% macro m() %}{{ g }}{% endmacro %}{% for g in [1] %}{{ m() }}{% endfor %}", "{% for a, b in [[1, 2]] %}{{ a + b }}{% endfor %}",
    "{% for x in [3, 1] %}{% for y in [1] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}", "{% for c in 'héy' %}{{ c }},{% endfor %}",
    # Filters.
    "{{ messages[0].content | trim }}|", "{{ messages | length }} {{ s | length }} {{ messages[1].content | length }}",
    "{{ tools | tojson }}", "{{ tools | tojson(indent=2) }}", "{{ messages[2].tool_calls[0].function.arguments | tojson }}",
    "{{ messages[1].content | tojson }} {{ [] | tojson(indent=4) }} {{ {} | tojson }}", "{{ {'b': 1, 'a': '</script>&\\u0001'} | tojson }}",
    "{{ words | join(', ') }} {{ words | join }} {{ messages | join('+', attribute='role') }}", "{{ missing | default('d') }} {{ '' | default('d') }} {{ '' | default('d', true) }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}", "{{ messages | rejectattr('role', 'eq', 'assistant') | map(attribute='role') | list }}",
    "{{ messages | selectattr('tool_calls', 'defined') | list | length }} {{ messages | selectattr('content') | map(attribute='role') | join(' ') }}",
    "{{ words | map('upper') | list }} {{ [1, 2, 3] | select('odd') | list }} {{ [1, 2] | reject('even') | list }}",
    "{{ words | first }} {{ words | last }} {{ empty | first }}|", "{{ words | sort }} {{ words | sort(reverse=true) }} {{ words | sort(case_sensitive=true) }}",
    "{{ words | unique | list }} {{ words | reverse | list }} {{ s | reverse }}", "{{ 'a-b-c' | replace('-', '+') }} {{ 'aaa' | replace('a', 'b', 2) }}",
    "{{ '7' | int + 1 }} {{ 'x' | int(3) }} {{ 2.9 | int }} {{ '2.5' | float }} {{ 3 | string + 'a' }}", "{{ {'a': 1, 'b': 2} | items | map('join') | list }} {{ {'b': 1, 'a': 2} | dictsort | map('last') | list }}",
    "{{ 'hello wORLD' | title }} {{ 'hELLO' | capitalize }} {{ 'é' | upper }} {{ 'É' | lower }}", "{{ 'a\\nb\\n\\nc' | indent(2) }} {{ 'a\\nb' | indent(2, true) }}",
    "{{ [1, 2, 3] | sum }} {{ [3, 1] | max }} {{ [3, 1] | min }} {{ tools | map(attribute='name') | sort | join }}", "{{ 'ab' | list }} {{ {'a': 1} | list }} {{ 'x' | safe }}",
    "{{ tools | map(attribute='none', default='d') | list }}", "{{ messages[2].content | default('x', true) }}", "{{ missing | length }} {{ missing | list }} {{ missing | trim }}|",
    # Tests.
    "{{ n is defined }} {{ missing is defined }} {{ missing is undefined }} {{ none is none }}", "{{ s is string }} {{ n is string }} {{ tools is mapping }} {{ tools[0] is mapping }}",
    "{{ s is sequence }} {{ tools is sequence }} {{ tools[0] is sequence }} {{ n is sequence }}", "{{ s is iterable }} {{ n is iterable }} {{ n is number }} {{ x is float }} {{ n is integer }}",
    "{{ true is true }} {{ 1 is true }} {{ false is false }} {{ true is boolean }} {{ true is number }} {{ true is integer }}", "{{ n is odd }} {{ n is even }} {{ 9 is divisibleby 3 }} {{ n is eq 7 }} {{ n is gt 3 }} {{ 'a' is in 'abc' }}",
    "{{ n is not none }} {{ not (n is none) }} {{ n is defined and s is string }} {{ raise_exception is callable }}", "{{ s is not string or n }}", "{{ messages[2].content is string }}",
    # Methods.
    "{{ ' a '.strip() }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ '\\n\\na'.lstrip('\\n') }}", "{{ 'a,b,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b'.split(',')[-1] }}",
    "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith('bc') }} {{ 'abc'.startswith(('x', 'a')) }}", "{{ 'abc'.upper() }} {{ 'ABC'.lower() }} {{ 'a b'.title() }} {{ 'a b'.capitalize() }} {{ 'aba'.replace('a', 'x') }}",
    "{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.get('b', 2) }} {{ {'a': 1}.keys() | list }} {{ {'a': 1}.values() | list }}", "{{ 'héllo'.find('l') }} {{ 'abc'.find('z') }} {{ 'aXbX'.count('X') }} {{ '-'.join(['a', 'b']) }} {{ 'a\\nb\\n'.splitlines() }}",
    "{{ messages[4].content.split('</think>')[-1].lstrip('\\n') }} {{ messages[4].content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') }}", "{{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ '12'.isdigit() }} {{ 'a2'.isdigit() }}",
    "{{ range(3) | list }} {{ range(1, 7, 2) | list }} {{ range(3, 0, -1) | list }} {{ dict(a=1) }}",
    # What must be refused.
    "{{ raise_exception('no such role') }}", "{{ 'a' + none }}", "{{ messages[2].content + 'x' }}", "{{ 'x' in messages[2].content }}", "{{ 1 / 0 }}", "{{ 1 + 'a' }}",
    "{% if %}x{% endif %}", "{% for x in %}{% endfor %}", "{{ n", "{% if n %}", "{% endif %}", "{{ n | nosuch }}", "{{ n is nosuch }}", "{{ f(1) }}", "{{ s.nosuch() }}", "{{ 1 < 'a' }}",
    "{% set n.a = 1 %}", "{{ 'open }}", "{{ (1 }}", "{{ 1 ) }}", "{% break %}", "{# open", "{{ 5 | first }}", "{{ s.split('') }}",
]


def record(template):
    try:
        return {"template": template, "rendered": ENV.from_string(template).render(**CONTEXT)}
    except Exception as error:  # Python's own errors count: what raises there must fail here.
        return {"template": template, "error": type(error).__name__}


json.dump({"context": CONTEXT, "cases": [record(t) for t in TEMPLATES]}, sys.stdout, ensure_ascii=False, indent=1)
