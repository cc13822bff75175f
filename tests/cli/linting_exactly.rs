//! `promptctl lint` where it was wrong once: figures that no request has, changes that break, debt that was not told.

use std::fmt::Write as _;

use super::sandbox::{Ended, Sandbox, says};

const CONFIG: &str =
    "models:\n  m: { provider: mock, replies: [{ say: \"the answer\" }] }\ndefaults: { models: [m] }\n";
const P: &str = "prompts/p.j2";
const C: &str = "fixtures/p/cases.yaml";

fn project(files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::empty();
    for (path, text) in [("promptctl.yaml", CONFIG), (".gitignore", ".promptctl/\n")].iter().chain(files) {
        sandbox.write(path, text);
    }
    sandbox
}

/// A case of each value of a variable.
fn cases(variable: &str, values: &[&str]) -> String {
    let mut text = "cases:\n".to_owned();
    for value in values {
        let _ = writeln!(text, "  - {{ name: {value}, vars: {{ {variable}: {value} }}, expect: [contains: answer] }}");
    }
    text
}

fn says_not(ended: &Ended, text: &str) {
    assert!(!ended.stdout.contains(text), "{}", ended.shown());
}

#[test]
fn what_no_request_has_is_not_counted() {
    let rules = |of: &str| -> String {
        (0..40).fold(String::new(), |mut text, i| {
            let _ = writeln!(text, "- Rule {i} of {of}: handle the topic with care and name the step.");
            text
        })
    };
    let chosen = |k: &str| format!("{{% if k == \"{k}\" %}}\n{}{{% endif %}}\n", rules(k));
    let branches = format!(
        "{{{{ role('system') }}}}\n{{% if k == 'a' %}}\n{}{{% elif k == 'b' %}}\n{}{{% else %}}\n{}{{% endif %}}\n{{{{ role('user') }}}}\n<k>{{{{ k }}}}</k>\n",
        rules("a"),
        rules("b"),
        rules("c")
    );
    let limits = "lint: { rules: { W20: { tokens: 700 }, I16: { tokens: 300 } } }\n";
    let sandbox = project(&[(P, &branches), (C, &cases("k", &["a", "b", "c"]))]);
    sandbox.write("promptctl.yaml", format!("{CONFIG}{limits}"));
    let only = ["lint", "--rule", "W20", "--rule", "I16"];
    says(&sandbox.run(&only), 0, &["nothing found"]);
    // Without cases the longest way counts.
    std::fs::remove_file(sandbox.path(C)).expect("removed");
    says(&sandbox.run(&only), 0, &["nothing found"]);
    // Branches that do not exclude each other are told apart by what is rendered.
    sandbox.write(C, cases("k", &["a", "b", "c"]));
    let apart = format!(
        "{{{{ role('system') }}}}\n{}{}{}{{{{ role('user') }}}}\n<k>{{{{ k }}}}</k>\n",
        chosen("a"),
        chosen("b"),
        chosen("c")
    );
    sandbox.write(P, &apart);
    says(&sandbox.run(&only), 0, &["nothing found"]);
    // What every request has is told, with the figure of a request.
    let same = format!("{{{{ role('system') }}}}\n{}{{{{ role('user') }}}}\n<k>{{{{ k }}}}</k>\n", rules("all"));
    sandbox.write(P, &same);
    let ended = sandbox.run(&only);
    says(&ended, 0, &["I16 fixed-share", "in the mean of 3 cases"]);
    says_not(&ended, "W20");
    sandbox.write("promptctl.yaml", format!("{CONFIG}{}", limits.replace("700", "500")));
    says(&sandbox.run(&only), 0, &["W20 size-instructions"]);
}

#[test]
fn a_line_is_half_covered_where_a_part_of_it_is() {
    let sandbox = project(&[
        (
            P,
            "{% if k == 'b' %}both{% endif %}{{ k }}\n{% if k == 'a' %}on{% else %}off{% endif %}\n{% if k == 'c' %}gone{% endif %}\n{% if k == 'c' %}\ngone {{ k }}\n{% endif %}\n{% if k == 'c' %}{% include '_t.j2' %}{% endif %}\nAlways.\n",
        ),
        ("prompts/_t.j2", "part\n"),
        (C, &cases("k", &["a"])),
    ]);
    insta::assert_snapshot!(sandbox.run(&["lint", "--coverage"]).shown());
}

#[test]
fn no_case_is_missed_where_there_can_be_none() {
    let template = |vars: &str| {
        format!(
            "---\nvars: {{ k: {vars} }}\n---\n{{% if k == 'a' %}}\nA\n{{% elif k == 'b' %}}\nB\n{{% endif %}}\n{{{{ 'x' if k == 'a' else 'y' if k == 'b' else 'z' }}}}\n"
        )
    };
    let sandbox = project(&[(P, &template("{ type: string, enum: [a, b] }")), (C, &cases("k", &["a", "b"]))]);
    let only = ["lint", "--rule", "W24"];
    says(&sandbox.run(&only), 0, &["nothing found"]);
    says(&sandbox.run(&["lint", "--coverage"]), 0, &["+    7 │ B", "3 of 3 lines and 5 of 5 branches"]);
    // Another value can come: both are told.
    sandbox.write(P, template("string"));
    says(&sandbox.run(&only), 0, &["the contrary of this condition", "this does not hold", "2 warnings"]);
    // A branch that nothing can reach is told all the same: it is dead.
    sandbox.write(P, template("{ type: string, enum: [a] }"));
    sandbox.write(C, cases("k", &["a"]));
    says(&sandbox.run(&only), 0, &["no case renders this `elif`"]);
    // A loop may give the name to something else.
    sandbox.write(
        P,
        "---\nvars: { k: { type: string, enum: [a, b] } }\n---\n{% for k in [k, 'a'] %}{% if k == 'a' %}A{% elif k == 'b' %}B{% endif %}{% endfor %}\n",
    );
    sandbox.write(C, cases("k", &["a", "b"]));
    says(&sandbox.run(&only), 0, &["the contrary of this condition"]);
}

#[test]
fn what_is_mended_stays_what_it_was_meant_to_be() {
    let raw = "{% raw %}literal {name} here{% endraw %}\n`{name}` in code.\nThe placeholder {name} is filled in later.\n# Examples\nOutput: Dear {name}\n";
    let england = "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}";
    let a = format!("---\nvars: {{ name: string }}\n---\n{england} {{{{ name }}}}\n{raw}");
    let sandbox = project(&[(P, &a), (C, &cases("name", &["n"]))]);
    let before = sandbox.files();
    let ended = sandbox.run(&["lint", "--fix", "--rule", "W02", "--rule", "E04"]);
    says(&ended, 0, &["2 warnings in 1 prompt"]);
    assert_eq!(sandbox.files(), before, "{}", ended.shown());
    // Tags without an end, or with more than a flag has, are no flag.
    for hidden in [
        "\u{1F3F4}\u{E0067}\u{E0062}",
        "\u{1F3F4}\u{E0049}\u{E0067}\u{E006E}\u{E007F}",
        "x\u{E0067}\u{E0062}\u{E0065}\u{E007F}",
    ] {
        sandbox.write(P, format!("{{{{ name }}}} {hidden}\n"));
        says(&sandbox.run(&["lint", "--rule", "E04"]), 1, &["E04 invisible-character"]);
    }
}

#[test]
fn mending_a_partial_leaves_no_prompt_without_a_variable() {
    let sandbox = project(&[
        (P, "---\nvars: { name: string }\n---\n{% include '_s/p.j2' %} {{ name }}\n"),
        (C, &cases("name", &["n"])),
        ("prompts/b.j2", "---\nvars: { x: string }\n---\n{% include '_s/p.j2' %} {{ x }}\n"),
        ("fixtures/b/cases.yaml", &cases("x", &["n"])),
        ("prompts/_s/p.j2", "Dear {name}\u{200b}\n"),
    ]);
    says(&sandbox.run(&["lint", "p", "--fix"]), 0, &["W02 single-brace", "every prompt that includes this partial"]);
    assert_eq!(sandbox.read("prompts/_s/p.j2"), "Dear {name}\n");
    says(&sandbox.run(&["test"]), 0, &[]);
    // Two that include it give it only at times: nothing declares it, and one case does not give it.
    sandbox.write(P, "{% if name is defined %}{{ name }}{% endif %}\u{200b}\nDear {name}\n");
    sandbox.write("prompts/b.j2", "{{ x }}\n");
    sandbox.write(C, format!("{}  - {{ name: none, expect: [contains: answer] }}\n", cases("name", &["n"])));
    sandbox.write("prompts/_s/p.j2", "{# #}\n");
    let ended = sandbox.run(&["lint", "--fix"]);
    assert_eq!(sandbox.read(P), "{% if name is defined %}{{ name }}{% endif %}\nDear {name}\n", "{}", ended.shown());
    says(&sandbox.run(&["test"]), 0, &[]);
}

#[test]
fn a_misspelt_waiver_is_no_silence() {
    let sandbox = project(&[(C, &cases("q", &["a"]))]);
    for (comment, what) in [
        ("promptctl: alow I07 reason=\"x\"", "`alow` is not `allow`"),
        ("promptctl: ignore I07", "`ignore` is not `allow`"),
        ("promptctl allow I07 reason=\"x\"", "a colon is missing"),
        ("prompctl: allow I07 reason=\"x\"", "`prompctl` is not `promptctl`"),
        ("promptctl: allow I07 untill=2026-01-01 reason=\"x\"", "a waiver has no `untill`; did you mean \"until\"?"),
    ] {
        sandbox.write(P, format!("{{# {comment} #}}\nYou are ChatGPT. {{{{ q }}}}\n"));
        says(&sandbox.run(&["lint"]), 1, &["L04 waiver-malformed", what]);
        sandbox.write(P, "Hello. {{ q }}\n");
        sandbox.write(C, format!("# {comment}\n{}", cases("q", &["a"])));
        says(&sandbox.run(&["lint"]), 1, &["L04 waiver-malformed", what]);
        sandbox.write(C, cases("q", &["a"]));
    }
    for comment in ["promptctl renders this", "promptctl: the cases of our prompts", "promptctl allows I know not what"]
    {
        sandbox.write(P, format!("{{# {comment} #}}\nHello. {{{{ q }}}}\n"));
        sandbox.write(C, format!("# {comment}\n{}", cases("q", &["a"])));
        says_not(&sandbox.run(&["lint"]), "L04");
    }
}

#[test]
fn a_list_of_waivers_fails_for_waivers_alone() {
    let sandbox = project(&[(P, "You are Chat\u{200b}GPT. {{ q }}\n"), (C, &cases("q", &["a"]))]);
    says(&sandbox.run(&["lint"]), 1, &["E04"]);
    says(&sandbox.run(&["lint", "--waivers"]), 0, &["0 waivers"]);
    sandbox.write(P, "{# promptctl: allow E04 #}\nYou are Chat\u{200b}GPT. {{ q }}\n");
    let ended = sandbox.run(&["lint", "--waivers"]);
    says(&ended, 1, &["L01 waiver-without-reason", "0 waivers, 1 finding about them"]);
    says_not(&ended, "E04 invisible");
}

#[test]
fn quiet_is_no_silence_about_what_was_found() {
    let sandbox = project(&[(P, "You are ChatGPT. {{ q }}\n"), (C, &cases("q", &["a"]))]);
    says(&sandbox.run(&["lint", "-q", "--rule", "I07"]), 0, &["I07 model-name"]);
    sandbox.write(P, "Hello. {{ q }}\n");
    assert_eq!(sandbox.run(&["lint", "-q", "--rule", "I07"]).stdout, "");
}

#[test]
fn personal_data_is_located_line_by_line() {
    let sandbox = project(&[(P, "{{ q }}\n"), (C, &cases("q", &["a"]))]);
    sandbox.write("fixtures/p/people.csv", "id,q\n1,joe.miller@gmx.de\n2,x\n3,eve.miller@gmx.de\n");
    says(&sandbox.run(&["lint", "--rule", "W31"]), 0, &["people.csv:2:3", "in the lines 2, 4"]);
}
