//! The page of a run and of a comparison: what it says without a script, what is packed in it, and what nobody's text may
//! do to it. `scripts/pages` looks at the same pages in a browser.

use std::io::Read as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use regex::Regex;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::reporting::{WORST, hostile};
use crate::sandbox::Sandbox;

/// What a page says without a script, a line each: text, and what pictures say in words.
fn said(html: &str) -> String {
    let replace = |text: &str, pattern: &str, with: &str| {
        Regex::new(pattern).expect("valid").replace_all(text, with).into_owned()
    };
    let body = html.split_once("<main>").and_then(|(_, rest)| rest.split_once("</main>")).expect("a main part").0;
    let text = replace(body, "(?s)<svg[^>]*aria-label=\"([^\"]*)\".*?</svg>", "[$1]");
    let text = replace(&text, "(?s)<svg.*?</svg>", "");
    let text = replace(&text, "<h([1-4])[^>]*>", "\n<$1> ");
    let text = replace(&text, "</(h1|h2|h3|p|li|tr|dl|div|summary|caption)>", "\n");
    let text = replace(&text, "</t[hd]>", " | ");
    let text = replace(&text, "</?[a-z][^>]*>", " ");
    let text = replace(&text, "[0-9]+ ms", "[time]");
    let text = replace(&text, r"[0-9.]+ s\b", "[time]");
    let text = replace(&text, r"\b[0-9a-f]{8}([0-9a-f]{4})?\b", "[hash]");
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The lines that are packed in an element.
fn unpack(html: &str, id: &str) -> Vec<Value> {
    let open = format!("<script type=\"text/plain\" id=\"{id}\">");
    let inner = html.split_once(&open).and_then(|(_, rest)| rest.split_once("</script>")).expect("packed").0;
    let packed = BASE64_STANDARD.decode(inner).expect("base64");
    let mut text = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut text).expect("gzip");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// All texts in the rows of a text or difference.
fn text_of(shown: &Value) -> String {
    let rows = shown["rows"].as_array().cloned().unwrap_or_default();
    let line = |row: &Value| {
        let pieces = row["pieces"].as_array().cloned().unwrap_or_default();
        pieces.iter().filter_map(|piece| piece["text"].as_str().map(str::to_owned)).collect::<String>()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

const CASES: &str = "defaults: { snapshot: none }\ncases:\n  - { name: good, vars: { q: fine }, expect: [{ contains: fine }], tags: [smoke] }\n  - { name: bad, vars: { q: no }, expect: [{ contains: yes }, { contains: n }] }\n  - { name: late, vars: { q: later }, expect: [{ contains: later }] }\n  - { name: held, vars: { q: held }, expect: [{ contains: yes }], quarantine: { until: 2026-12-31, reason: \"known #1\" } }\n  - { name: kept, vars: { q: before }, expect: [{ contains: e }], snapshot: { compare: text } }\n";

/// A project of which a run has five verdicts' worth of cases.
fn project() -> Sandbox {
    let sandbox = Sandbox::with_cases(CASES);
    for case in ["good", "bad", "held", "kept"] {
        sandbox.run(&["test", "--case", case]);
    }
    assert_eq!(sandbox.run(&["test", "--case", "kept", "--snapshots", "accept"]).code, 0);
    sandbox.edit("promptctl.yaml", "replies: [", "replies: [{ when: before, say: 'before and after' }, ");
    sandbox.run(&["test", "--case", "kept", "--refresh"]);
    sandbox
}

#[test]
fn a_run_is_a_page_that_says_the_most_without_a_script() {
    let sandbox = project();
    let ended = sandbox.run(&["test", "--offline", "--report", "html=out/page.html"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    insta::assert_snapshot!("html_run", said(&sandbox.read("out/page.html")));
}

#[test]
fn everything_of_a_case_is_packed_in_the_page() {
    let sandbox = project();
    sandbox.run(&["test", "--offline", "--report", "html=page.html"]);
    let html = sandbox.read("page.html");
    let (index, details) = (unpack(&html, "index"), unpack(&html, "chunk-0"));
    assert_eq!((index.len(), details.len()), (5, 5));
    let place = |name: &str| index.iter().position(|row| row[2] == name).expect("in the index");
    let detail = |name: &str| &details[place(name)];
    assert_eq!(index[place("bad")][10], "contains: expected an answer containing \"yes\"; it is \"no\"");
    assert_eq!(detail("bad")["place"], "fixtures/p/cases.yaml:4");
    assert_eq!(detail("bad")["samples"][0]["checks"][1][1], true);
    assert_eq!(text_of(&detail("good")["samples"][0]["answer"]), "fine");
    assert_eq!(detail("held")["quarantine"], "until 2026-12-31: known #1");
    assert_eq!(text_of(&detail("kept")["difference"]["shown"]), "before\nbefore and after");
    // The rank is what the list is sorted by: failed, changed, unrecorded, what lets the run be good, passed.
    let mut ranked: Vec<(u64, &str)> =
        index.iter().map(|row| (row[11].as_u64().expect("a rank"), row[2].as_str().expect("a name"))).collect();
    ranked.sort_unstable();
    assert_eq!(ranked.iter().map(|(_, name)| *name).collect::<Vec<_>>(), ["bad", "kept", "late", "held", "good"]);
}

#[test]
fn every_sample_of_a_case_is_shown_and_the_same_answer_once() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: s, vars: { q: x }, expect: [{ contains: a }], snapshot: none, repeat: 4, min-pass-rate: 0.5 }\n",
    );
    sandbox.write(
        "promptctl.yaml",
        "models:\n  m:\n    provider: mock\n    replies: [{ say: \"{{ ['a', 'b', 'a', 'ab'][sample] }}\" }]\n",
    );
    let ended = sandbox.run(&["test", "--report", "html=page.html"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let html = sandbox.read("page.html");
    let detail = &unpack(&html, "chunk-0")[0];
    let samples = detail["samples"].as_array().expect("samples");
    let said: Vec<String> = samples.iter().map(|sample| text_of(&sample["answer"])).collect();
    assert_eq!(said, ["a", "b", "", "ab"]);
    assert_eq!((&samples[2]["same_as"], &samples[1]["verdict"]), (&0.into(), &"failed".into()));
    assert!(detail["rate"].as_str().is_some_and(|rate| rate.starts_with("3 of 4 samples passed")), "{detail}");
    assert!(self::said(&html).contains("1 case is flaky"), "{}", self::said(&html));
}

#[test]
fn the_same_run_is_the_same_page() {
    let sandbox = project();
    sandbox.run(&["test", "--offline", "--report", "json=run.json", "--report", "html=first.html"]);
    for name in ["second.html", "third.html"] {
        assert_eq!(sandbox.run(&["merge", "run.json", "--report", &format!("html={name}")]).code, 1);
    }
    assert_eq!(sandbox.read("second.html"), sandbox.read("third.html"));
    assert_eq!(sandbox.read("first.html"), sandbox.read("second.html"));
}

#[test]
fn nothing_in_an_answer_or_a_name_leaves_its_place_in_a_page() {
    let sandbox = hostile();
    assert_eq!(sandbox.run(&["test", "--report", "html=page.html"]).code, 1);
    let html = sandbox.read("page.html");
    let hidden = |c: char| promptctl::core::escape::is_invisible(c) || c.is_control() && !matches!(c, '\n' | '\t');
    assert_eq!(html.chars().filter(|c| hidden(*c)).count(), 0);
    // The tables of names, the index, one chunk, and the page's own script.
    assert_eq!((html.matches("<script").count(), html.matches("</script").count()), (4, 4));
    for part in ["<!--", "<img", "onerror=\"", "<b>|", "href=\"javascript", "</details><"] {
        let own = include_str!("../../src/report/html/run.html").matches(part).count();
        assert!(html.matches(part).count() <= own, "{part}");
    }
    // Ten megabytes on one line are neither in the page nor forgotten.
    assert!(html.len() < 300_000, "{} bytes", html.len());
    let details = unpack(&html, "chunk-0");
    assert_eq!(details.len(), WORST.len());
    let cut =
        details[0]["samples"][0]["answer"]["rows"].as_array().expect("rows").iter().filter_map(|r| r["cut"].as_u64());
    assert!(cut.sum::<u64>() > 9_900_000);
    assert!(text_of(&details[1]["samples"][0]["answer"]).starts_with("\\u{202e}\\u{2066}\\u{200b}"));
    assert_eq!(text_of(&details[6]["samples"][0]["answer"]), WORST[6]);

    // Only what is in the page runs, and nothing is fetched.
    let policy = html.split_once("Content-Security-Policy\" content=\"").expect("a policy").1;
    let policy = policy.split_once('"').expect("ended").0;
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("http") && !policy.contains("unsafe"));
    for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
        let inner = html.rsplit_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")));
        let hash = BASE64_STANDARD.encode(Sha256::digest(inner.expect("there").0.as_bytes()));
        assert!(policy.contains(&format!("{directive} 'sha256-{hash}'")), "{policy}");
    }
    assert!(!html.contains("src=\"http") && !html.contains("url(http"));
}

#[test]
fn versions_are_plotted_where_there_is_git_and_left_out_where_there_is_none() {
    let sandbox =
        Sandbox::with_cases("cases:\n  - { name: a, vars: { q: x }, expect: [{ contains: Two }], snapshot: none }\n");
    sandbox.run(&["test", "--report", "html=none.html"]);
    assert!(!sandbox.read("none.html").contains("id=\"plots-title\""));
    sandbox.git(&["init"]);
    for word in ["One", "Two"] {
        sandbox.write("prompts/p.j2", format!("{word}: {{{{ q }}}}\n"));
        sandbox.run(&["test"]);
        sandbox.git(&["add", "."]);
        sandbox.git(&["commit", "-m", word]);
    }
    assert_eq!(sandbox.run(&["test", "--report", "html=page.html"]).code, 0);
    let said = said(&sandbox.read("page.html"));
    assert!(
        said.contains("[Pass rate and tokens of p over 2 versions: from 0 of 1 (0 %), 4 tokens an answer to 1 of 1 (100 %), 4 tokens an answer]"),
        "{said}"
    );
    assert!(said.contains("| 1 of 1 (100 %) | 4 | Two |"), "{said}");
    // An edit that nobody committed is a version, too.
    sandbox.write("prompts/p.j2", "Two, again: {{ q }}\n");
    sandbox.run(&["test", "--report", "html=page.html"]);
    let html = sandbox.read("page.html");
    assert!(html.contains("over 3 versions") && html.contains("not committed"));
}

#[test]
fn a_comparison_is_a_page_with_what_changed_and_every_answer() {
    let case = |n: usize| {
        let tag = if n.is_multiple_of(2) { "even" } else { "odd" };
        format!(
            "  - {{ name: c{n:02}, vars: {{ q: {tag} {n} }}, tags: [{tag}], expect: [{{ contains: right }}], snapshot: none }}\n"
        )
    };
    let sandbox = Sandbox::with_cases(&format!("cases:\n{}", (0..24).map(case).collect::<String>()));
    sandbox.write("promptctl.yaml", "models:\n  it:\n    provider: mock\n    replies:\n      - { when: '^Careless.*odd', say: wrong }\n      - { say: 'right: {{ last_user_message }}' }\n");
    sandbox.write("prompts/p.j2", "Careful: {{ q }}\n");
    sandbox.git(&["init"]);
    sandbox.run(&["test"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "base"]);
    sandbox.write("prompts/p.j2", "Careless </script>: {{ q }}\n");
    sandbox.run(&["test"]);
    let ended = sandbox.run(&["compare", "--report", "html=page.html"]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let html = sandbox.read("page.html");
    insta::assert_snapshot!("html_compare", said(&html));
    assert_eq!(html.matches("</script").count(), 5, "names, what changed, the index, a chunk, the script");
    let changed = &unpack(&html, "changed")[0];
    assert_eq!(text_of(&changed["files"][0]["shown"]), "Careful: {{ q }}\nCareless </script>: {{ q }}\n");
    // The very same change in every case is one.
    assert_eq!(changed["cases"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (changed["cases"][0]["also"].as_array().map(Vec::len), &changed["cases"][0]["also_more"]),
        (Some(20), &3.into())
    );
    let (index, details) = (unpack(&html, "index"), unpack(&html, "chunk-0"));
    assert_eq!((index.len(), &index[0][2], &index[23][2]), (24, &0.into(), &2.into()), "losses first");
    assert_eq!(text_of(&details[0]["difference"]), "right: Careful: odd 1\nwrong");
    assert_eq!(details[0]["failed"].as_array().map(Vec::len), Some(1));
}
