//! What templates render to must not change with a new version of promptctl or of its engine: a changed byte is a
//! changed prompt. These vectors are kept for ever.

#![allow(unreachable_pub, reason = "a module shared by tests")]

mod common;

use std::sync::Arc;

use common::MemoryTree;
use promptctl::core::problem::Problems;
use promptctl::plan::Workspace;

/// A template, the variables of a case, and the messages, each with its role in front.
const VECTORS: [(&str, &str, &[&str]); 33] = [
    ("Hello {{ name }}!", "name: Ada", &["user:Hello Ada!"]),
    ("{{ a }}{{ b }}", "a: x, b: y", &["user:xy"]),
    ("\n\n  padded  \n\n", "", &["user:  padded  "]),
    ("{{ role('system') }}\nBe kind.\n\n{{ role('user') }}\n{{ q }}\n", "q: hi", &["system:Be kind.", "user:hi"]),
    ("{{ role('user') }}a{{ role('assistant') }}b{{ role('user') }}c", "", &["user:a", "assistant:b", "user:c"]),
    ("{{ role('developer') }}d{{ role('tool') }}t", "", &["developer:d", "tool:t"]),
    (
        "{% macro turn(q) %}{{ role('user') }}{{ q }}{% endmacro %}{{ turn('a') }}{{ turn('b') }}",
        "",
        &["user:a", "user:b"],
    ),
    ("{% if urgent %}now{% else %}later{% endif %}", "urgent: true", &["user:now"]),
    (
        "{% for i in items %}{{ loop.index }}:{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}",
        "items: [a, b]",
        &["user:1:a, 2:b"],
    ),
    ("{% for i in items %}x{% else %}none{% endfor %}", "items: []", &["user:none"]),
    ("{% for k, v in m|items %}{{ k }}={{ v }};{% endfor %}", "m: {z: 1, a: 2}", &["user:z=1;a=2;"]),
    ("a\n{%- if true %}\nb\n{%- endif %}\nc", "", &["user:a\nb\nc"]),
    ("a\n{% if true %}\nb\n{% endif %}\nc", "", &["user:a\n\nb\n\nc"]),
    ("{# a comment #}x", "", &["user:x"]),
    ("{% raw %}{{ not }} {% a %}{% endraw %}", "", &["user:{{ not }} {% a %}"]),
    ("{{ '{{' }} }} {x}", "", &["user:{{ }} {x}"]),
    ("{{ x|upper }} {{ x|lower }} {{ x|title }} {{ x|capitalize }}", "x: aB cD", &["user:AB CD ab cd Ab Cd Ab cd"]),
    ("{{ x|trim }}|{{ x|length }}", "x: '  a  '", &["user:a|5"]),
    ("{{ missing|default('d') }} {{ x|default('d') }}", "x: y", &["user:d y"]),
    (
        "{{ items|join(', ') }} {{ items|first }} {{ items|last }} {{ items|length }}",
        "items: [1, 2, 3]",
        &["user:1, 2, 3 1 3 3"],
    ),
    ("{{ x|replace('a', 'b') }} {{ x.upper() }} {{ x.split('-')|join('+') }}", "x: a-a", &["user:b-b A-A a+a"]),
    (
        "{{ m|tojson }}",
        "m: {b: [1, 2.5, true, null], a: 'é\"'}",
        &["user:{\"b\": [1, 2.5, true, null], \"a\": \"\u{e9}\\\"\"}"],
    ),
    ("{{ m|tojson(indent=2) }}", "m: {a: 1}", &["user:{\n  \"a\": 1\n}"]),
    ("{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ 7 / 2 }} {{ 7 % 3 }} {{ 2 ** 5 }}", "", &["user:7 3 3.5 1 32"]),
    (
        "{{ 1.0 }} {{ 0.1 }} {{ 1e3 }} {{ x }} {{ y }}",
        "x: 2.0, y: 1234567890123",
        &["user:1.0 0.1 1000.0 2.0 1234567890123"],
    ),
    ("{{ true }} {{ none }} {{ [1, 'a'] }} {{ {'k': 1} }}", "", &["user:True None [1, 'a'] {'k': 1}"]),
    ("{{ 'a' ~ 1 ~ x }} {{ 'yes' if x is defined else 'no' }}", "x: b", &["user:a1b yes"]),
    ("{% set y = x * 2 %}{{ y }} {% set z %}w{% endset %}{{ z }}", "x: 3", &["user:6 w"]),
    ("{{ x[0] }} {{ x[-1] }} {{ x[1:3] }} {{ m.k }} {{ m['k'] }}", "x: abcd, m: {k: v}", &["user:a d bc v v"]),
    (
        "{{ items|sort|join }} {{ items|reverse|join }} {{ items|unique|join }}",
        "items: [3, 1, 3]",
        &["user:133 313 31"],
    ),
    ("{{ 3.7|round }} {{ 3.14159|round(2) }} {{ '5'|int + 1 }} {{ -3|abs }}", "", &["user:4.0 3.14 6 3"]),
    ("{% include '_part.j2' %}/{% include './_part.j2' %}", "x: v", &["user:part v/part v"]),
    ("{% from '_lib.j2' import twice %}{{ twice('ab') }}", "", &["user:abab"]),
];

#[test]
fn every_vector_renders_as_it_always_did() {
    let mut wrong = Vec::new();
    for (template, variables, expected) in VECTORS {
        let cases = format!("cases: [{{ name: one, vars: {{ {variables} }} }}]\n");
        let tree = MemoryTree::of([
            ("promptctl.yaml", &b"models: { m: { provider: mock, replies: [{ say: x }] } }\n"[..]),
            ("prompts/p.j2", template.as_bytes()),
            ("prompts/_part.j2", b"part {{ x }}\n"),
            ("prompts/_lib.j2", b"{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}\n"),
            ("fixtures/p/cases.yaml", cases.as_bytes()),
        ]);
        let mut problems = Problems::default();
        let workspace = Workspace::load(Arc::new(tree), &mut problems);
        let messages = workspace.as_ref().map(|workspace| workspace.messages(&workspace.cases.list[0]));
        let found: Vec<String> = match messages {
            Some(Ok(messages)) => messages.iter().map(|m| format!("{}:{}", m.role.name(), m.content)).collect(),
            other => vec![format!("{:?} {:?}", other.map(|r| r.map_err(|p| p.message).err()), problems.sorted())],
        };
        if found != expected {
            wrong.push(format!("{template:?}\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
