//! `promptctl lint`, and the loading of prompts and cases, where they were wrong once: links, single braces, limits, waivers, marks.

use super::sandbox::{Ended, Sandbox, says};

const CONFIG: &str = "models: { m: { provider: mock, params: { temperature: 0, max_tokens: 50 }, replies: [{ say: x }] } }\ndefaults: { models: [m], snapshot: { compare: none } }\n";

/// A project of prompts with a case each that gives these variables.
fn project(prompts: &[(&str, &str, &str)]) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("promptctl.yaml", CONFIG);
    for (name, template, variables) in prompts {
        sandbox.write(&format!("prompts/{name}.j2"), template);
        let cases = format!("cases: [{{ name: c, vars: {variables}, expect: [{{ contains: x }}] }}]\n");
        sandbox.write(&format!("fixtures/{name}/cases.yaml"), cases);
    }
    sandbox
}

fn says_not(ended: &Ended, text: &str) {
    assert!(!ended.shown().contains(text), "{}", ended.shown());
}

#[cfg(unix)]
#[test]
fn mending_a_prompt_behind_a_link_leaves_the_link() {
    let sandbox = project(&[("a", "x {{ t }} ", "{ t: 1 }"), ("b", "", "{ t: 1 }")]);
    sandbox.write("real.j2", "y {{ t }} ");
    let link = sandbox.path("prompts/b.j2");
    std::fs::remove_file(&link).expect("removed");
    std::os::unix::fs::symlink("../real.j2", &link).expect("linked");
    says(&sandbox.run(&["lint", "--fix"]), 0, &["mended prompts/a.j2", "mended prompts/b.j2"]);
    assert!(link.symlink_metadata().expect("there").is_symlink());
    assert_eq!(sandbox.read("real.j2"), "y {{ t }}");
    says(&sandbox.run(&["lint", "--rule", "W16"]), 0, &["nothing found"]);
}

#[test]
fn single_braces_that_are_meant_so_are_no_warning_on_load() {
    let front = "---\nvars: { name: string }\n---\n";
    let meant = [
        ("raw", "{%- raw -%}literal {name} here{%- endraw -%} {{ name }}."),
        ("cmt", "{# {name} #}{{ name }}"),
        ("str", "{{ \"say {name}\" }} {{ name }}"),
        ("said", "Use the placeholder {name} literally in what you write. {{ name }}"),
        ("code", "Hi {{ name }}\n```python\nprint(f\"{name}\")\n```\n"),
    ];
    let texts: Vec<String> = meant.iter().map(|(_, text)| format!("{front}{text}")).collect();
    let prompts: Vec<_> =
        meant.iter().zip(&texts).map(|((name, _), text)| (*name, text.as_str(), "{ name: n }")).collect();
    let sandbox = project(&prompts);
    for command in [&["test"][..], &["lint", "--rule", "W02"]] {
        says_not(&sandbox.run(command), "plain text");
    }
    sandbox.write("prompts/raw.j2", format!("{front}Dear {{name}}, and {{{{ name }}}}"));
    says(
        &sandbox.run(&["test"]),
        0,
        &["prompts/raw.j2:4:6", "`{name}` in single braces is plain text; a variable is `{{ name }}`"],
    );
    says(&sandbox.run(&["lint", "--rule", "W02"]), 0, &["prompts/raw.j2:4:6"]);
}

#[test]
fn scores_are_no_cards_and_examples_are_of_nobody() {
    let sandbox = project(&[("p", "Answer {{ q }}. IBAN DE89 3704 0044 0532 0130 00, tel. +1 555 0100", "{ q: x }")]);
    let line = |text: &str| {
        format!("{{\"query\":\"x\",\"results\":[{{\"id\":\"a\",\"score\":1.3574587608062283,\"text\":\"{text}\"}}]}}\n")
    };
    sandbox.write("fixtures/p/notes.jsonl", line("nothing\\nhere"));
    says(&sandbox.run(&["lint", "--rule", "W31"]), 0, &["nothing found"]);
    sandbox.write("fixtures/p/notes.jsonl", line("Ann\\n4532015112830366, tel. 01761234567"));
    let found = "this file holds a phone number, the number of a payment card in line 1";
    says(&sandbox.run(&["lint", "--rule", "W31"]), 0, &["fixtures/p/notes.jsonl:1", found]);
}

#[test]
fn a_limit_with_which_a_rule_says_something_always_is_refused() {
    let sandbox = project(&[("p", "Hello there {{ q }}. Be kind.", "{ q: x }")]);
    let set = |limits: &str| {
        sandbox.write("promptctl.yaml", format!("{CONFIG}lint: {{ rules: {{ {limits} }} }}\n"));
        sandbox.run(&["lint"])
    };
    for (limits, why) in [
        ("I05: { words: 0 }", "words must be 1 at the least"),
        ("I03: { count: 0 }", "count must be 1 at the least"),
        ("W20: { tokens: 0 }", "tokens must be 1 at the least"),
        ("I16: { share: 0, tokens: 0 }", "share must be above 0, such as 0.9"),
        ("W34: { share: 0 }", "share must be above 0, such as 0.5"),
        ("W28: { days: 0 }", "days must be 1 at the least"),
        ("W05: { count: 1.5 }", "count must be a whole number, such as 5"),
        ("W05: { count: 1e-9 }", "count must be a whole number, such as 5"),
    ] {
        says(&set(limits), 2, &["promptctl.yaml:3:", why]);
    }
    // With these 0 is something that one may want.
    for limits in
        ["W32: { depth: 0 }", "I17: { count: 0 }", "W09: { days: 0 }", "I16: { tokens: 0 }", "W12: { characters: 0 }"]
    {
        says(&set(limits), 0, &[]);
    }
}

#[test]
fn a_waiver_of_two_rules_of_which_one_waives_nothing_is_told() {
    let waiver =
        |rules: &str| format!("{{#- promptctl: allow {rules} reason=\"meant so\" -#}}\nHi {{t}} {{{{ t }}}}\n");
    let sandbox = project(&[("p", &waiver("W02,W14"), "{ t: 1 }")]);
    let told = "the waiver of W02, W14 waives nothing of W14";
    says(&sandbox.run(&["lint"]), 0, &["L03", told]);
    says_not(&sandbox.run(&["lint", "--rule", "W02", "--rule", "L03"]), "L03");
    sandbox.write("prompts/p.j2", waiver("W10,W14"));
    says(&sandbox.run(&["lint"]), 0, &["the waiver of W10, W14 waives nothing"]);
    sandbox.write("prompts/p.j2", waiver("W02"));
    says_not(&sandbox.run(&["lint"]), "L03");
}

#[test]
fn a_condition_on_a_line_of_its_own_that_never_holds_is_marked() {
    let text = "Hi {{ k }}\n{% if never %}\nx\n{% endif %}\n{% if k %}\ny\n{% else %}\nz\n{% endif %}\n";
    let sandbox = project(&[("p", text, "{ k: a, never: false }")]);
    let marks = ["+    1 │ Hi", "~    2 │ {% if never %}", "-    3 │ x", "     4 │ {% endif %}", "     5 │ {% if k %}"];
    let ended = sandbox.run(&["lint", "--coverage"]);
    says(&ended, 0, &marks);
    says(&ended, 0, &["+    6 │ y", "~    7 │ {% else %}", "-    8 │ z"]);
    let found = sandbox.run(&["lint", "--rule", "W24"]);
    says(&found, 0, &["prompts/p.j2:2:", "prompts/p.j2:7:"]);
}

#[test]
fn a_sentence_that_is_repeated_in_a_line_names_the_line_once() {
    let text = "Answer in plain words always please. ".repeat(3);
    let sandbox = project(&[("p", &format!("Hello.\n{text}<t>{{{{ t }}}}</t>\n"), "{ t: 1 }")]);
    says(&sandbox.run(&["lint", "--rule", "W06"]), 0, &["the same sentence stands here 3 times, in line 2\n"]);
}

#[test]
fn cases_of_a_prompt_whose_name_is_refused_are_not_said_to_have_none() {
    let sandbox = project(&[("a<b>", "{{ q }}", "{ q: x }")]);
    let ended = sandbox.run(&["lint"]);
    says(&ended, 2, &["a<b>"]);
    says_not(&ended, "belong to no prompt");
    let sandbox = project(&[("_parts/x", "{{ q }}", "{ q: x }")]);
    let partial = "these cases belong to no prompt: prompts/_parts/x.j2 is a partial";
    says(&sandbox.run(&["lint"]), 2, &["fixtures/_parts/x/cases.yaml", partial]);
}
