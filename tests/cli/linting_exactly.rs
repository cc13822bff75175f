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

#[test]
fn damaged_recordings_and_answers_are_not_looked_past() {
    let sandbox = project(&[(P, "Hello. {{ q }}\n"), (C, &cases("q", &["a"]))]);
    says(&sandbox.run(&["test", "--snapshots", "accept"]), 0, &[]);
    says(&sandbox.run(&["lint"]), 0, &[]);
    let (recorded, accepted) = ("fixtures/p/recorded/m.jsonl", "snapshots/p/a@m.snap");
    for path in [recorded, accepted] {
        let whole = sandbox.read(path);
        for damaged in
            [format!("<<<<<<< HEAD\n{whole}=======\n{whole}>>>>>>> b\n"), whole[..whole.len() / 2].to_owned()]
        {
            if path == accepted && !damaged.starts_with('<') {
                continue;
            }
            sandbox.write(path, &damaged);
            says(&sandbox.run(&["test"]), 2, &[]);
            let ended = sandbox.run(&["lint", "--rule", "I07"]);
            assert_eq!(ended.code, 2, "{}", ended.shown());
            assert!(ended.stderr.contains(path), "{}", ended.shown());
        }
        sandbox.write(path, whole);
    }
    says(&sandbox.run(&["lint"]), 0, &[]);
}

#[test]
fn each_case_has_a_finding_of_its_own() {
    let config = format!("{CONFIG}unasserted: allow\n").replace("[m]", "[m], snapshot: { compare: none }");
    let sandbox = project(&[(P, "Hello. {{ q }}\n")]);
    sandbox.write("promptctl.yaml", config);
    let bare = |names: &[&str]| {
        names
            .iter()
            .fold("cases:\n".to_owned(), |text, name| format!("{text}  - {{ name: {name}, vars: {{ q: a }} }}\n"))
    };
    sandbox.write(C, bare(&["x", "y"]).replacen("  - ", "  # promptctl: allow W27 reason=\"smoke\"\n  - ", 1));
    let only = ["lint", "--rule", "W27"];
    says(&sandbox.run(&only), 0, &["`y` checks nothing", "1 warning in 1 prompt (1 waived)"]);
    sandbox.write(C, bare(&["x", "y"]));
    says(&sandbox.run(&only), 0, &["`x` checks nothing", "`y` checks nothing", "2 warnings"]);
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "a"]);
    sandbox.write(C, bare(&["v", "x", "y", "z"]));
    let against = ["lint", "--rule", "W27", "--base", "HEAD", "--fail-on", "warning"];
    says(&sandbox.run(&against), 1, &["`v` checks", "`z` checks", "2 warnings in 1 prompt (2 that HEAD has already"]);
    // Rows of a data set are told together, and those that are new still count.
    let rows = |count: usize| (0..count).fold("q\n".to_owned(), |text, i| format!("{text}row {i}\n"));
    sandbox.write(C, "datasets: [{ file: rows.csv, name: \"{{ q }}\" }]\n");
    sandbox.write("fixtures/p/rows.csv", rows(60));
    says(&sandbox.run(&only), 0, &["the case `row 0` checks nothing (and so 59 more)", "1 warning in"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "b"]);
    says(&sandbox.run(&against), 0, &["60 that HEAD has already left out"]);
    sandbox.write("fixtures/p/rows.csv", rows(65));
    says(&sandbox.run(&against), 1, &["rows.csv:62", "`row 60` checks nothing (and so 4 more)"]);
}

#[test]
fn a_rename_is_nothing_new_and_growth_is() {
    let shouting = |times: usize| {
        format!(
            "---\nversion: 1.0.0\n---\nAnswer what the customer asks in a kind way. {}{{{{ q }}}} \n",
            "NEVER say no. ".repeat(times)
        )
    };
    let key = |letter: &str| {
        format!("---\nversion: 1.0.0\n---\nthe key is AKIA{} of the shop here\n", letter.repeat(2) + "BCDEFGHIJKLMNO")
    };
    let other = "You sum up long texts in a few words, and leave out what does not matter.\n{{ text }}\n";
    let sandbox = project(&[
        (P, &shouting(5)),
        (C, &cases("q", &["a"])),
        ("prompts/k.j2", &key("Q")),
        ("prompts/o.j2", other),
        ("prompts/_s/unused.j2", "Nobody includes what stands here for no reason at all.\n"),
    ]);
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "a"]);
    let against = ["lint", "--base", "HEAD", "--fail-on", "info"];
    says(&sandbox.run(&against), 0, &["nothing found"]);
    for (old, new) in [("p", "new/p"), ("k", "new/k"), ("o", "new/o"), ("_s/unused", "_t/unused")] {
        let (old, new) = (format!("prompts/{old}.j2"), format!("prompts/{new}.j2"));
        sandbox.write(&new, sandbox.read(&old));
        std::fs::remove_file(sandbox.path(&old)).expect("removed");
    }
    sandbox.write("fixtures/new/p/cases.yaml", sandbox.read(C));
    std::fs::remove_file(sandbox.path(C)).expect("removed");
    says(&sandbox.run(&against), 0, &["nothing found"]);
    // Another prompt without a case is new debt, though one of before got its own.
    sandbox.write("prompts/fresh.j2", "Translate a recipe for cooks who know no English at all, please.\n");
    sandbox.write("fixtures/new/k/cases.yaml", "cases: [{ name: a, expect: [contains: answer] }]\n");
    says(&sandbox.run(&against), 1, &["the prompt `fresh` has no case"]);
    std::fs::remove_file(sandbox.path("prompts/fresh.j2")).expect("removed");
    // A little more is what it was; much more is new.
    sandbox.write("prompts/new/p.j2", shouting(15));
    says(&sandbox.run(&["lint", "--base", "HEAD", "--rule", "W05", "--fail-on", "info"]), 1, &["15 words in capitals"]);
    // Another key in the same place is another leak; it is never shown.
    sandbox.write("prompts/new/k.j2", key("R"));
    let ended = sandbox.run(&["lint", "--base", "HEAD", "--rule", "E02"]);
    says(&ended, 1, &["E02 secret"]);
    assert!(!ended.shown().contains("RRBCDEF"), "{}", ended.shown());
    // What was renamed and grew is told as grown.
    let long = format!("{other}{}", "Mind the rules of the house, and the rules of the guests. ".repeat(30));
    sandbox.write("prompts/new/o.j2", long);
    says(&sandbox.run(&["lint", "--base", "HEAD", "--rule", "W07"]), 0, &["times as many, since HEAD", "new/o.j2"]);
}

#[test]
fn a_prompt_that_was_renamed_has_a_base_to_cost_against() {
    let config = "models: { m: { provider: mock, price: { input: 10, output: 20 }, replies: [{ say: answer }] } }\ndefaults: { models: [m] }\n";
    let sandbox =
        project(&[(P, "Answer in a line about shoes and hats and coats. {{ q }}\n"), (C, &cases("q", &["a", "b"]))]);
    sandbox.write("promptctl.yaml", config);
    sandbox.run(&["test"]);
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "a"]);
    sandbox.write(
        "prompts/q.j2",
        format!("Answer in a line about shoes and hats and coats. {} {{{{ q }}}}\n", "Say more. ".repeat(100)),
    );
    std::fs::rename(sandbox.path("fixtures/p"), sandbox.path("fixtures/q")).expect("renamed");
    std::fs::remove_file(sandbox.path(P)).expect("removed");
    let ended = sandbox.run(&["cost", "--base", "HEAD", "--budget", "+1%"]);
    assert_eq!(ended.code, 1, "{}", ended.shown());
    says_not(&ended, "not in base");
    let ended = sandbox.run(&["cost", "q", "--base", "HEAD", "--budget", "+1%"]);
    assert_eq!(ended.code, 1, "{}", ended.shown());
}

#[test]
fn a_version_that_did_not_move_is_told_on_the_main_branch_too() {
    let prompt = |version: &str, rules: usize| {
        let rules = (0..rules).fold(String::new(), |mut text, i| {
            let _ = writeln!(text, "Do not promise thing number {i} to anybody who asks for it.");
            text
        });
        format!("---\nversion: {version}\n---\n{rules}{{% include '_t.j2' %}}\n{{{{ q }}}}\n")
    };
    let sandbox = project(&[(P, &prompt("1.0.0", 1)), ("prompts/_t.j2", "Be kind.\n"), (C, &cases("q", &["a"]))]);
    let commit = || {
        sandbox.git(&["add", "-A"]);
        sandbox.git(&["commit", "-qm", "a"]);
    };
    sandbox.git(&["init", "-q"]);
    commit();
    let only = ["lint", "--rule", "E08", "--rule", "W07", "--rule", "I06"];
    says(&sandbox.run(&only), 0, &["nothing found"]);
    sandbox.write(P, prompt("1.0.0", 30));
    says(&sandbox.run(&only), 0, &["E08", "W07", "I06"]);
    commit();
    let ended = sandbox.run(&only);
    says(&ended, 0, &["its version is still 1.0.0", "times as many", "29 prohibitions", "(where version 1.0.0 began)"]);
    // Renamed, with something else between, and on another branch: it stays so.
    sandbox.write("prompts/n.j2", sandbox.read(P));
    sandbox.write("fixtures/n/cases.yaml", sandbox.read(C));
    for old in [P, C] {
        std::fs::remove_file(sandbox.path(old)).expect("removed");
    }
    commit();
    says(&sandbox.run(&only), 0, &["prompts/n.j2", "its version is still 1.0.0"]);
    // A version that moved is a new beginning.
    sandbox.write("prompts/n.j2", prompt("1.1.0", 30));
    says(&sandbox.run(&only), 0, &["nothing found"]);
    commit();
    says(&sandbox.run(&only), 0, &["nothing found"]);
    // A partial is a part of it.
    sandbox.write("prompts/_t.j2", "Be very kind.\n");
    commit();
    says(&sandbox.run(&only), 0, &["its version is still 1.1.0", "1 warning in 1 prompt"]);
    // What is new against a base is that alone.
    says(&sandbox.run(&["lint", "--rule", "E08", "--base", "HEAD"]), 0, &["nothing found"]);
}

#[test]
fn many_rows_with_a_history_are_looked_at_in_time() {
    let sandbox = project(&[
        (P, "Hello. {{ q }}\n"),
        (C, "datasets: [{ file: rows.csv, name: \"{{ q }}\", expect: [contains: answer] }]\n"),
    ]);
    let rows = (0..4000).fold("q\n".to_owned(), |text, i| format!("{text}row {i}\n"));
    sandbox.write("fixtures/p/rows.csv", rows);
    sandbox.write("promptctl.yaml", format!("{CONFIG}lint: {{ rules: {{ I15: {{ runs: 2, digests: 1 }} }} }}\n"));
    says(&sandbox.run(&["test"]), 0, &[]);
    says(&sandbox.run(&["test"]), 0, &[]);
    let begun = std::time::Instant::now();
    says(&sandbox.run(&["lint", "--rule", "I15", "--rule", "I14", "--rule", "W30"]), 0, &["(and so 3999 more)"]);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn examples_of_free_text_are_no_classes_that_a_case_must_expect() {
    let examples = "Q: What is the capital of France?\nA: Paris\n\nQ: Who wrote Faust?\nA: Goethe\n\nQ: What is 2 plus 2?\nA: 4\n\n";
    let sandbox = project(&[(P, &format!("{examples}{{{{ q }}}}\n"))]);
    let expects = |one: &str, other: &str| {
        format!(
            "cases:\n  - {{ name: a, vars: {{ q: x }}, expect: [contains: {one}] }}\n  - {{ name: b, vars: {{ q: y }}, expect: [contains: {other}] }}\n"
        )
    };
    let only = ["lint", "--rule", "I20"];
    for (one, other) in [("Berlin", "Rome"), ("Paris", "Rome"), ("Parisian", "Goethe")] {
        sandbox.write(C, expects(one, other));
        says(&sandbox.run(&only), 0, &["nothing found"]);
    }
    // What was accepted is expected, too.
    let classes = examples.replace("Paris", "answer").replace("Goethe", "question").replace("A: 4", "A: question");
    sandbox.write(P, format!("{classes}{{{{ q }}}}\n"));
    sandbox.write(C, "cases:\n  - { name: a, vars: { q: x }, expect: [not-contains: zzz] }\n  - { name: b, vars: { q: y }, expect: [not-contains: zzz] }\n");
    says(&sandbox.run(&only), 0, &["nothing found"]);
    says(&sandbox.run(&["test", "--snapshots", "accept"]), 0, &[]);
    says(&sandbox.run(&only), 0, &["no case expects `question`", "1 info in"]);
}

#[test]
fn what_cases_are_made_of_is_looked_at_for_what_nobody_sees() {
    let only = ["lint", "--rule", "E03", "--rule", "E04"];
    let with = |text: &str| format!("cases:\n  - {{ name: a, vars: {{ q: \"{text}\" }}, expect: [contains: a] }}\n");
    let sandbox = project(&[(P, "Hello. {{ q }}\n"), (C, &with("be\u{200b} kind \u{202e}"))]);
    let ended = sandbox.run(&only);
    says(
        &ended,
        1,
        &["cases.yaml:2:30", "error [E04", "2 invisible characters, the first is \\u{200b}", "`\\u200B` between"],
    );
    sandbox.write(C, with("\\u200B and \\U000E0041 and 👩\u{200d}🔬 and שלום\u{200f}"));
    says(&sandbox.run(&only), 0, &["nothing found"]);
    // A waiver stands beside it, as anywhere in YAML.
    sandbox.write(C, with("be\u{200b}").replace("  - {", "  # promptctl: allow E04 reason=\"an attack\"\n  - {"));
    says(&sandbox.run(&only), 0, &["1 waived"]);
    // Documents and tables: merges are errors, what is hidden in them is a warning.
    let cases = "cases: [{ name: doc, vars: { q: { file: policy.md } }, expect: [contains: a] }]\ndatasets: [{ file: rows.csv, name: \"{{ q }}\", expect: [contains: a] }]\n";
    sandbox.write(C, cases);
    sandbox.write("fixtures/p/policy.md", "14 days\u{ad} or\u{200b} so\u{2060}.\n");
    sandbox.write("fixtures/p/rows.csv", "q\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> c\n");
    let ended = sandbox.run(&only);
    says(
        &ended,
        1,
        &["policy.md:1:12: warning [E04", "2 invisible characters", "rows.csv:2:1: error [E03 conflict-marker]"],
    );
    sandbox.write("fixtures/p/rows.csv", "q\na\n");
    says(&sandbox.run(&["lint", "--rule", "E04", "--fix"]), 0, &["1 warning in 1 prompt"]);
    assert!(sandbox.read("fixtures/p/policy.md").contains('\u{200b}'), "what a case says is for somebody to decide");
    // A text on merges shows them; what a model said is what it said.
    sandbox.write("fixtures/p/policy.md", "So:\n```\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> c\n```\n");
    sandbox.write("promptctl.yaml", CONFIG.replace("the answer", "the a\u{200b}nswer"));
    sandbox.run(&["test", "--snapshots", "accept"]);
    says(&sandbox.run(&only), 0, &["nothing found"]);
}

#[test]
fn keys_and_people_are_found_whatever_a_file_is_called() {
    let sandbox = project(&[(P, "Hello. {{ q }}\n"), (C, &cases("q", &["a"]))]);
    let key = format!("AKIA{}", "ABCDEFGHIJKLMNOP");
    for path in ["fixtures/p/x.py", "fixtures/p/t.jinja", "fixtures/p/Makefile", "fixtures/p/.env"] {
        sandbox.write(path, format!("KEY = '{key}'\nTO = 'joe.miller@gmx.de'\n"));
        let ended = sandbox.run(&["lint", "--rule", "E02", "--rule", "W31"]);
        says(&ended, 1, &[&format!("{path}:1:8: error [E02"), &format!("{path}:2:6: warning [W31")]);
        assert!(!ended.shown().contains(&key), "{}", ended.shown());
        std::fs::remove_file(sandbox.path(path)).expect("removed");
    }
    // What is no text is none, by its name or by what it holds.
    sandbox.write("fixtures/p/a.png", format!("KEY = '{key}'\n"));
    sandbox.write("fixtures/p/a.dat", format!("\0KEY = '{key}'\n"));
    sandbox.write("fixtures/p/b.dat", [b"\xff\xfe", key.as_bytes()].concat());
    says(&sandbox.run(&["lint", "--rule", "E02"]), 0, &["nothing found"]);
    sandbox.write("promptctl.yaml", CONFIG.replace("the answer", "the answer to joe.miller@gmx.de"));
    says(&sandbox.run(&["test", "--snapshots", "accept"]), 0, &[]);
    let ended = sandbox.run(&["lint", "--rule", "W31"]);
    says(&ended, 0, &["snapshots/p/a@m.snap", "fixtures/p/recorded/m.jsonl", "2 warnings"]);
    assert!(!ended.shown().contains("joe.miller"), "{}", ended.shown());
}
