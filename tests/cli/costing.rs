//! `promptctl cost`: what prompts cost, what a change makes of it, and what else could be done.

use serde_json::Value;

use super::sandbox::{Sandbox, says};

/// A project of one prompt on a scripted model with a price, and so many cases. The scripted model counts words.
fn project(words: usize, cases: usize) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "promptctl.yaml",
        "models:\n  echo:\n    provider: mock\n    price: { input: 2, cached-input: 0.5, output: 8 }\n    replies: [{ say: \"{{ last_user_message }}\" }]\n",
    );
    prompt(&sandbox, words);
    let case = |n: usize| {
        let more = "so ".repeat(n % 7);
        format!(
            "  - {{ name: c{n}, vars: {{ q: \"{more}q{n:03}\" }}, expect: [{{ contains: q{n:03} }}], snapshot: none }}\n"
        )
    };
    sandbox.write("fixtures/p/cases.yaml", format!("cases:\n{}", (0..cases).map(case).collect::<String>()));
    sandbox
}

fn prompt(sandbox: &Sandbox, words: usize) {
    let system = "abc ".repeat(words);
    sandbox.write(
        "prompts/p.j2",
        format!(
            "---\nversion: 1.0.0\n---\n{{{{ role(\"system\") }}}}\n{system}\n{{{{ role(\"user\") }}}}\n{{{{ q }}}}\n"
        ),
    );
}

fn record(sandbox: &Sandbox) {
    says(&sandbox.run(&["test", "--quiet"]), 0, &[]);
}

fn commit(sandbox: &Sandbox) {
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "one"]);
}

/// The report as JSON, which fits its schema.
#[track_caller]
fn json(sandbox: &Sandbox, args: &[&str], code: i32) -> Value {
    let args: Vec<&str> = ["cost", "--json"].iter().chain(args).copied().collect();
    let ended = sandbox.run(&args);
    assert_eq!(ended.code, code, "{}", ended.shown());
    let document: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/cost.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}");
    document
}

#[track_caller]
fn near(value: &Value, wanted: f64) {
    let value = value.as_f64().unwrap_or(f64::NAN);
    assert!((value - wanted).abs() <= 1e-9 * wanted.abs().max(1e-9), "{value} is not {wanted}");
}

#[test]
fn figures_are_those_of_the_recordings() {
    let sandbox = project(40, 23);
    record(&sandbox);
    let lines = sandbox.read("fixtures/p/recorded/echo.jsonl");
    let usage = |name: &str| -> Vec<f64> {
        let of = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["response"]["usage"][name].as_f64();
        lines.lines().map(|line| of(line).expect("counted")).collect()
    };
    let (input, output) = (usage("input"), usage("output"));
    let cost: Vec<f64> = input.iter().zip(&output).map(|(i, o)| (i * 2.0 + o * 8.0) / 1e6).collect();
    let document = json(&sandbox, &["--volume", "p=120000"], 0);
    let bill = &document["prompts"][0];
    assert_eq!((&bill["requests"], &bill["counted"]), (&23.into(), &23.into()));
    for (found, mut values) in [(&bill["input"], input), (&bill["output"], output), (&bill["cost_usd"], cost.clone())] {
        values.sort_by(f64::total_cmp);
        near(&found["median"], values[11]);
        // The 22nd of 23 is the first that 95 % do not exceed.
        near(&found["p95"], values[21]);
        near(&found["mean"], values.iter().sum::<f64>() / 23.0);
    }
    near(&bill["month_usd"], cost.iter().sum::<f64>() / 23.0 * 120_000.0);
    let parts = &bill["parts_usd"];
    near(
        &(parts["input"].as_f64().unwrap_or(0.0) + parts["output"].as_f64().unwrap_or(0.0)).into(),
        cost.iter().sum::<f64>() / 23.0,
    );
    // 40 words of four bytes, the last blank trimmed, are 40 tokens; 4 and 4 for two messages, 3 for the request.
    assert_eq!(bill["fixed"]["beginning"], 51);
    // What the scripted model counts is somewhat less than the estimate, of the beginning as of the whole.
    let number = |value: &Value| value.as_f64().expect("a number");
    let tokens = (51.0 * number(&bill["input"]["mean"]) / number(&bill["fixed"]["of_tokens"])).round();
    near(&bill["caching"]["tokens"], tokens);
    near(&bill["caching"]["per_request_usd"], tokens * 1.5 / 1e6);
    insta::assert_snapshot!(sandbox.run(&["cost", "--volume", "120000"]).shown());
}

#[test]
fn what_is_not_recorded_is_estimated_and_called_so() {
    let sandbox = project(40, 3);
    let document = json(&sandbox, &["--volume", "1000"], 0);
    let bill = &document["prompts"][0];
    assert!(bill["input"].is_null() && bill["output"].is_null() && bill["cost_usd"].is_null(), "{bill}");
    near(&bill["month_usd"], bill["estimated_input"]["mean"].as_f64().expect("estimated") * 2.0 / 1e3);
    insta::assert_snapshot!(sandbox.run(&["cost", "--volume", "1000"]).shown());
    sandbox.edit("promptctl.yaml", "    price: { input: 2, cached-input: 0.5, output: 8 }\n", "");
    record(&sandbox);
    says(&sandbox.run(&["cost", "--volume", "1000"]), 0, &["unpriced", "give its entry a `price`"]);
    let bill = &json(&sandbox, &[], 0)["prompts"][0];
    assert!(bill["cost_usd"].is_null() && !bill["input"].is_null(), "{bill}");
    // A budget of which nobody can say whether it is kept is not kept.
    says(&sandbox.run(&["cost", "--budget", "$1"]), 3, &["nobody can say: the model has no price"]);
}

#[test]
fn a_prompt_that_grows_by_18_percent_says_so() {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "promptctl.yaml",
        "models:\n  echo:\n    provider: mock\n    price: { input: 2, output: 0 }\n    replies: [{ say: \"{{ last_user_message }}\" }]\n",
    );
    // 372 bytes and 444: 100 tokens and 118, with the 7 that a request of one message has beside.
    let text = |words: usize| format!("{}{{{{ q }}}}\n", "abc ".repeat(words));
    sandbox.write("prompts/p.j2", text(92));
    let case =
        |n: usize| format!("  - {{ name: c{n}, vars: {{ q: abc{n} }}, expect: [contains: abc{n}], snapshot: none }}\n");
    sandbox.write("fixtures/p/cases.yaml", format!("cases:\n{}", (0..8).map(case).collect::<String>()));
    record(&sandbox);
    commit(&sandbox);
    sandbox.write("prompts/p.j2", text(110));
    let args = ["cost", "--base", "HEAD", "--volume", "100000", "--budget", "+10%"];
    let ended = sandbox.run(&args);
    says(&ended, 1, &["+18.0 %", "a month: $18.60 → $21.95 (+$3.35) at 100,000 requests", "exceeded"]);
    insta::assert_snapshot!("grown", ended.shown().replace(&head(&sandbox), "[commit]"));
    let page = sandbox.run(&[&args[..], &["--report", "markdown"]].concat());
    insta::assert_snapshot!("grown_markdown", page.shown().replace(&head(&sandbox), "[commit]"));
    says(&sandbox.run(&["cost", "--base", "HEAD", "--budget", "+18%"]), 0, &[]);
    let change = &json(&sandbox, &["--base", "HEAD"], 0)["changes"][0];
    assert_eq!((&change["basis"], &change["pairs"]), (&"proportion".into(), &8.into()));
    near(&change["cost_usd"]["increase"], 0.18);
    // Once it is recorded, by what was counted: 93 words and 111.
    record(&sandbox);
    let change = &json(&sandbox, &["--base", "HEAD", "--budget", "+19%"], 1)["changes"][0];
    assert_eq!(change["basis"], "recorded");
    near(&change["cost_usd"]["increase"], 18.0 / 93.0);
    near(&change["cost_usd"]["median"], 18.0 * 2.0 / 1e6);
}

fn head(sandbox: &Sandbox) -> String {
    sandbox.read(".git/refs/heads/main").chars().take(12).collect()
}

#[test]
fn budgets_stand_in_the_project() {
    let sandbox = project(40, 4);
    record(&sandbox);
    let config = sandbox.read("promptctl.yaml");
    let with = |cost: &str| sandbox.write("promptctl.yaml", format!("{config}cost: {cost}\n"));
    with("{ volume: { p: 1000000 }, budget: { per-month: 500, per-request: 0.01 } }");
    says(&sandbox.run(&["cost"]), 0, &["1,000,000 requests a month", "a month: at most $500.00, and it is $1"]);
    with("{ volume: 1000000, budget: { per-month: 500, prompts: { p: { per-month: 1 } } } }");
    says(&sandbox.run(&["cost"]), 1, &["a month: at most $1.00", "exceeded"]);
    assert_eq!(sandbox.run(&["cost", "--budget", "$600/month"]).code, 0);
    with("{ budget: { per-month: 500 } }");
    says(&sandbox.run(&["cost"]), 3, &["nobody says how many requests a month it gets"]);
    with("{ volume: { support: 5 }, budget: { increase: 10% } }");
    says(
        &sandbox.run(&["cost"]),
        0,
        &["note: promptctl.yaml names the prompt `support` under `cost`, and there is none"],
    );
    with("{ budget: { increase: 10 }, volume: 0, cache: { hit-rate: 2 }, alternatives: { retrieval: { chunk: 1 } } }");
    insta::assert_snapshot!(sandbox.run(&["cost"]).shown());
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    let sandbox = project(4, 2);
    for (args, why) in [
        (&["cost", "--budget", "+10%"][..], "needs something to compare with"),
        (&["cost", "--budget", "cheap"], "write a share over base"),
        (&["cost", "--volume", "0"], "a whole number from 1"),
        (&["cost", "--volume", "q=5"], "--volume names the prompt `q`"),
        (&["cost", "--report", "junit"], "costs have no report format `junit`"),
        (&["cost", "--json", "--report", "markdown"], "two reports cannot share standard output"),
    ] {
        says(&sandbox.run(args), 2, &[why]);
    }
    says(&sandbox.run(&["cost", "nothing"]), 4, &["nothing"]);
}

#[test]
fn a_prompt_that_base_does_not_have_is_new() {
    let sandbox = project(40, 3);
    record(&sandbox);
    commit(&sandbox);
    sandbox.write("prompts/fresh.j2", "{{ q }}\n");
    sandbox.write("fixtures/fresh/cases.yaml", "cases: [{ name: a, vars: { q: hi }, expect: [contains: hi] }]\n");
    let document = json(&sandbox, &["--base", "HEAD", "--budget", "+0%"], 0);
    assert_eq!(document["new"], serde_json::json!([["fresh", "echo"]]));
    assert_eq!(
        (&document["changes"][0]["prompt"], &document["changes"][0]["same_digest"]),
        (&"p".into(), &true.into())
    );
    // A prompt that goes over to a dearer model does not get out of its budget by it.
    let dear = "models:\n  dear: { provider: mock, price: { input: 20, output: 80 }, replies: [{ say: \"{{ last_user_message }}\" }] }\n";
    let config = sandbox.read("promptctl.yaml").replace("models:\n", dear);
    sandbox.write("promptctl.yaml", format!("{config}defaults: {{ models: [dear] }}\n"));
    let document = json(&sandbox, &["p", "--base", "HEAD", "--budget", "+10%"], 1);
    assert_eq!(
        (&document["changes"][0]["model"], &document["changes"][0]["base_model"]),
        (&"dear".into(), &"echo".into())
    );
    near(&document["changes"][0]["cost_usd"]["increase"], 9.0);
}

#[test]
fn versions_have_a_row_each() {
    let sandbox = project(40, 3);
    record(&sandbox);
    commit(&sandbox);
    prompt(&sandbox, 50);
    sandbox.git(&["commit", "-qam", "longer"]);
    prompt(&sandbox, 60);
    let document = json(&sandbox, &["--versions"], 0);
    let rows = document["versions"].as_array().expect("rows");
    let told: Vec<(bool, bool, f64)> = rows
        .iter()
        .map(|row| (row["commit"].is_null(), row["estimated"] == true, row["input"]["median"].as_f64().expect("known")))
        .collect();
    // Only the first was recorded: 40 words of the system, and the question's.
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!((told[0].0, told[1].0, told[2].0), (true, false, false));
    assert_eq!((told[0].1, told[1].1, told[2].1), (true, true, false));
    assert!((told[2].2 - 42.0).abs() < 1e-9, "{told:?}");
    says(&sandbox.run(&["cost", "--versions", "-n", "1"]), 0, &["(edited)", "~ is estimated"]);
}

#[test]
fn alternatives_show_what_they_assume() {
    let sandbox = project(40, 12);
    let config = "models:
  big: { provider: mock, price: { input: 2, output: 8 }, replies: [{ say: \"{{ last_user_message }}\" }] }
  small: { provider: mock, price: { input: 0.5, output: 2 }, replies: [{ when: q000, say: dunno }, { say: \"{{ last_user_message }}\" }] }
defaults: { models: [big] }
";
    sandbox.write("promptctl.yaml", config);
    record(&sandbox);
    // What is missing is said, and nothing is advised.
    let bare = sandbox.run(&["cost", "--alternatives"]);
    says(&bare, 0, &["missing: `training`", "missing: `context`", "cannot be reckoned"]);
    assert_eq!(sandbox.run(&["test", "--quiet", "--model", "small"]).code, 1);
    sandbox.write(
        "promptctl.yaml",
        format!("{config}cost:\n  volume: 2000000\n  alternatives:\n    fine-tuned: {{ training: 25, input: 0.6, output: 2.4, hosting: 20 }}\n    retrieval: {{ context: q, chunks: 1, chunk-tokens: 1, embedding: 0.02, index: 1, latency: 40ms }}\n"),
    );
    insta::assert_snapshot!(sandbox.run(&["cost", "--alternatives"]).shown());
    let document = json(&sandbox, &["--alternatives"], 0);
    let small = &document["alternatives"][0];
    assert_eq!((&small["kind"], &small["instead"]), (&"smaller_model".into(), &"small".into()));
    assert_eq!(
        (&small["evidence"]["now"], &small["evidence"]["then"]),
        (&serde_json::json!([12, 12]), &serde_json::json!([11, 12]))
    );
    assert_eq!(small["evidence"]["verdict"], "undecided");
    let (now, then) = (small["now_usd"].as_f64().expect("priced"), small["then_usd"].as_f64().expect("priced"));
    near(&small["saving_usd"], (now - then) * 2e6);
    near(&small["passed_usd"][1], then * 12.0 / 11.0);
}

#[test]
fn names_move_no_cursor_and_make_no_markup() {
    let sandbox = project(4, 2);
    let config = sandbox.read("promptctl.yaml");
    sandbox
        .write("promptctl.yaml", format!("{config}cost: {{ volume: {{ \"\\e[31m<b>|@x `y`\\n::error::z\": 5 }} }}\n"));
    let shown = sandbox.run(&["cost"]);
    assert!(!shown.stdout.contains('\u{1b}') && !shown.stdout.contains("\n::error"), "{}", shown.stdout);
    says(&shown, 0, &["note: promptctl.yaml names the prompt"]);
    let page = sandbox.run(&["cost", "--report", "markdown"]).stdout;
    assert!(
        page.contains("note: ") && !page.contains("<b>") && !page.contains("@x") && !page.contains("\n::error"),
        "{page}"
    );
}

#[test]
fn an_old_price_is_worth_a_word() {
    let sandbox = project(4, 2);
    sandbox.write("promptctl.yaml", "models: { m: { provider: openai, model: gpt-4.1-mini } }\n");
    says(
        &sandbox.run_with(&["cost"], &[("SOURCE_DATE_EPOCH", "1830000000")]),
        0,
        &["note: the price of `m` is of 2026-", "more than 60 days ago"],
    );
    assert!(!sandbox.run(&["cost"]).stdout.contains("days ago"));
}

/// Two requests, of three words and of four, that are answered with one.
fn tiered(price: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let config = format!("models: {{ m: {{ provider: mock, price: {price}, replies: [{{ say: yes }}] }} }}\n");
    sandbox.write("promptctl.yaml", config);
    sandbox.write("prompts/p.j2", "{{ q }}\n");
    sandbox.write(
        "fixtures/p/cases.yaml",
        "cases:\n  - { name: short, vars: { q: a b c }, expect: [contains: yes], snapshot: none }\n  - { name: long, vars: { q: a b c d }, expect: [contains: yes], snapshot: none }\n",
    );
    sandbox
}

#[test]
fn long_requests_cost_what_their_tier_says() {
    // A dollar a token, and from four tokens on two that are read and three that are written: 3 × 1 + 1 × 1 and 4 × 2 + 1 × 3.
    let price = "{ input: 1000000, output: 1000000, tiers: [{ above: 3, input: 2000000, output: 3000000 }] }";
    let sandbox = tiered(price);
    says(&sandbox.run(&["test"]), 0, &["$15.0000"]);
    let bill = |sandbox: &Sandbox, args: &[&str]| -> Value {
        let ended = sandbox.run(&[&["cost", "--json"], args].concat());
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.shown()))
    };
    let counted = bill(&sandbox, &[]);
    assert_eq!(counted["prompts"][0]["cost_usd"]["mean"], 7.5, "{counted:#}");
    assert_eq!(counted["prompts"][0]["cost_usd"]["p95"], 11.0);
    assert_eq!(counted["prompts"][0]["parts_usd"]["input"], 5.5);
    // What goes over a tier is dearer by more than its tokens.
    sandbox.git(&["init"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-m", "as it was"]);
    sandbox.write("prompts/p.j2", "Say {{ q }}\n");
    assert_eq!(sandbox.run(&["test"]).code, 0);
    let change = bill(&sandbox, &["--base", "HEAD"]);
    let cost = &change["changes"][0]["cost_usd"];
    assert_eq!((&cost["base"], &cost["head"]), (&7.5.into(), &12.0.into()), "4 × 2 + 3 and 5 × 2 + 3: {change:#}");
    // A limit on money counts the tier, too: by the estimate, 1.5 × 8 tokens, each at two dollars.
    let dear = sandbox.run(&["test", "--refresh", "--max-cost", "20", "--model", "m"]);
    says(&dear, 6, &["budget"]);
    says(
        &sandbox.run(&["models"]),
        0,
        &["1000000 in, 1000000 out; above 3 tokens 2000000 in, 3000000 out (promptctl.yaml)"],
    );
}

#[test]
fn a_price_of_ones_own_has_a_day_and_a_source() {
    let price = "{ input: 1, output: 2, as-of: 2026-06-01, source: https://example.com/prices }";
    let sandbox = tiered(price);
    // Another prompt that asks the same model.
    sandbox.write("prompts/r.j2", "{{ q }}\n");
    sandbox.write("fixtures/r/cases.yaml", sandbox.read("fixtures/p/cases.yaml"));
    says(&sandbox.run(&["models"]), 0, &["1 in, 2 out (promptctl.yaml, of 2026-06-01, https://example.com/prices)"]);
    says(&sandbox.run(&["test", "--dry-run"]), 0, &["(prices of 2026-06-01)"]);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    let at = |day: &str| {
        let seconds = day.parse::<jiff::Timestamp>().expect("a time").as_second().to_string();
        sandbox.run_with(&["cost"], &[("SOURCE_DATE_EPOCH", &seconds)])
    };
    assert!(!at("2026-07-31T12:00:00Z").stdout.contains("note:"), "60 days are not more than 60");
    let old = at("2026-08-01T12:00:00Z");
    says(
        &old,
        0,
        &[
            "the price of `m` is of 2026-06-01, more than 60 days ago; look it up again (https://example.com/prices), and set",
        ],
    );
    assert_eq!(old.stdout.matches("days ago").count(), 1, "{}", old.stdout);
}

#[test]
fn a_price_that_says_half_is_refused() {
    for (price, says_so) in [
        ("{ input: 1, output: 2, as-of: June }", "as-of is `June`; write a day such as 2026-12-31"),
        ("{ input: 1, output: 2, source: '' }", "source is empty"),
        ("{ input: 1, output: 2, tiers: [{ input: 2, output: 3 }] }", "a tier needs `above`"),
        ("{ input: 1, output: 2, tiers: [{ above: 9, input: 2 }] }", "the tier above 9 tokens names no `output`"),
        (
            "{ input: 1, cached-input: 0.1, output: 2, tiers: [{ above: 9, input: 2, output: 3 }] }",
            "the tier above 9 tokens names no `cached-input`, and the price does",
        ),
        (
            "{ input: 1, output: 2, tiers: [{ above: 9, input: 2, output: 3, reasoning: 4 }] }",
            "the tier names `reasoning`, and the price does not",
        ),
        (
            "{ input: 1, output: 2, tiers: [{ above: 9, input: 2, output: 3 }, { above: 9, input: 3, output: 4 }] }",
            "a tier must be above more tokens than the one before it",
        ),
        ("{ input: 1, output: 2, tiers: [{ above: 0, input: 2, output: 3 }] }", "above"),
        ("{ input: 1, output: 2, tiers: [{ above: 9, input: -2, output: 3 }] }", "the price of input is below 0"),
    ] {
        let ended = tiered(price).run(&["list"]);
        says(&ended, 2, &["promptctl.yaml:1:", says_so]);
    }
}

#[test]
fn a_renamed_prompt_does_not_get_out_of_its_budget() {
    let sandbox = project(40, 3);
    record(&sandbox);
    commit(&sandbox);
    let moved = |from: &str, to: &str| {
        sandbox.git(&["mv", &format!("prompts/{from}.j2"), &format!("prompts/{to}.j2")]);
        sandbox.git(&["mv", &format!("fixtures/{from}"), &format!("fixtures/{to}")]);
    };
    moved("p", "big");
    let text = sandbox.read("prompts/big.j2").replace("abc ", "a longer word and more ");
    sandbox.write("prompts/big.j2", text);
    let check = |base: &str| {
        let document = json(&sandbox, &["--base", base, "--budget", "+10%"], 1);
        let change = &document["changes"][0];
        assert_eq!((&change["prompt"], &change["base_prompt"]), (&"big".into(), &"p".into()), "{change:#}");
        assert!(change["cost_usd"]["increase"].as_f64().is_some_and(|more| more > 2.0), "{change:#}");
        says(&sandbox.run(&["cost", "big", "--base", base]), 0, &["the prompt was called `p` in base"]);
    };
    // Not committed, and committed.
    check("HEAD");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "two"]);
    check("HEAD~1");
    // Where git saw it move, whatever became of its text and its cases since.
    moved("big", "huge");
    sandbox.git(&["commit", "-qam", "three"]);
    sandbox.write("prompts/huge.j2", "{{ q }} of something else\n");
    sandbox.write(
        "fixtures/huge/cases.yaml",
        "cases: [{ name: c0, vars: { q: hi }, expect: [contains: hi], snapshot: none }]\n",
    );
    let document = json(&sandbox, &["--base", "HEAD~1"], 0);
    assert_eq!(document["changes"][0]["base_prompt"], "big", "{document:#}");
    // What is like nothing that base had is new, and that something is gone is said.
    sandbox.write("fixtures/other/cases.yaml", "cases:\n  - name: z\n    vars: { q: zed }\n    expect: [is-json]\n");
    sandbox.write("prompts/other.j2", "Say {{ q }}.\n");
    sandbox.git(&["rm", "-rqf", "prompts/huge.j2", "fixtures/huge"]);
    let document = json(&sandbox, &["--base", "HEAD", "--budget", "+10%"], 0);
    assert_eq!(document["new"][0][0], "other");
    assert!(document["notes"][0].as_str().is_some_and(|note| note.contains("head has no `huge`")), "{document:#}");
}

#[test]
fn a_budget_of_what_nobody_can_count_is_not_kept() {
    let sandbox = Sandbox::empty();
    sandbox.write("promptctl.yaml", "models: { m: { provider: mock, price: { input: 1, output: 1 } } }\n");
    says(&sandbox.run(&["cost", "--budget", "$0.001"]), 4, &["nothing to count: the project has no prompt yet"]);
    sandbox.write("prompts/bare.j2", "Hello {{ q }}\n");
    let document = json(&sandbox, &["--budget", "$0.001"], 3);
    assert_eq!(document["uncounted"], serde_json::json!(["bare"]));
    let budget = &document["budgets"][0];
    assert_eq!((&budget["prompt"], &budget["standing"]), (&"bare".into(), &"unjudged".into()));
    let shown = sandbox.run(&["cost", "--budget", "$0.001"]);
    says(&shown, 3, &["bare\n  it has no case", "at most $0.00100; nobody can say: it has no case"]);
    says(&sandbox.run(&["cost"]), 0, &["it has no case, so nothing of it can be counted"]);
    says(&sandbox.run(&["cost", "--report", "markdown"]), 0, &["`bare` has no case"]);
    // The very same prompt is no dearer than it was.
    commit(&sandbox);
    json(&sandbox, &["--base", "HEAD", "--budget", "+10%"], 0);
    sandbox.write("prompts/bare.j2", "Hello and hello {{ q }}\n");
    json(&sandbox, &["--base", "HEAD", "--budget", "+10%"], 3);
}

#[test]
fn a_budget_of_a_prompt_that_there_is_not_is_a_mistake() {
    let sandbox = project(4, 2);
    let config = sandbox.read("promptctl.yaml");
    sandbox.write("prompts/refund.j2", "{{ q }}\n");
    sandbox.write("fixtures/refund/cases.yaml", "cases: [{ name: a, vars: { q: x }, expect: [contains: x] }]\n");
    let budget =
        |name: &str| format!("{config}cost: {{ budget: {{ prompts: {{ {name}: {{ per-request: 0.1 }} }} }} }}\n");
    sandbox.write("promptctl.yaml", budget("refnd"));
    says(&sandbox.run(&["cost"]), 2, &["a budget for the prompt `refnd`", "did you mean \"refund\"?"]);
    sandbox.write("promptctl.yaml", budget("refund"));
    json(&sandbox, &[], 3);
}

#[test]
fn pieces_never_save_more_than_the_whole_costs() {
    let sandbox = project(1, 0);
    let config = sandbox.read("promptctl.yaml");
    // The scripted model counts words, the estimate counts four bytes a token: three times as many.
    let text = "extraordinarily comprehensive documentation ".repeat(50);
    sandbox.write("prompts/p.j2", "<doc>{{ doc }}</doc> n={{ n }}\n");
    let case = |n: u32| {
        format!(
            "  - {{ name: c{n}, vars: {{ doc: \"{text}\", n: \"{n}\" }}, expect: [contains: n], snapshot: none }}\n"
        )
    };
    sandbox.write("fixtures/p/cases.yaml", format!("cases:\n{}", (0..9).map(case).collect::<String>()));
    sandbox.write("promptctl.yaml", format!("{config}cost: {{ volume: 200000, alternatives: {{ retrieval: {{ context: doc, chunks: 2, chunk-tokens: 20, embedding: 0.1, index: 70 }} }} }}\n"));
    record(&sandbox);
    let document = json(&sandbox, &["--alternatives"], 0);
    let kind = |kind: &str| document["alternatives"].as_array().expect("a list").iter().find(|one| one["kind"] == kind);
    let found = kind("retrieval").expect("held against it");
    let figure = |name: &str| found[name].as_f64().expect("reckoned");
    // 150 words of 151 or so are the context, of which 40 are sent.
    let read = document["prompts"][0]["input"]["mean"].as_f64().expect("counted");
    let context = &found["assumptions"][0];
    assert_eq!(context["name"], "context");
    assert!(context["value"].as_f64().is_some_and(|tokens| tokens <= read && tokens > 0.9 * read), "{found:#}");
    assert!(figure("then_usd") > 0.0 && figure("saving_usd") < figure("now_usd") * 200_000.0, "{found:#}");
    near(
        &found["then_usd"],
        figure("now_usd") - (context["value"].as_f64().expect("known") - 40.0) * 2.0 / 1e6 + 50.0 * 0.1 / 1e6,
    );
}

/// Takes the usage out of the first recorded answers, so that they are there and nobody counted their tokens.
fn uncount(sandbox: &Sandbox, model: &str, answers: usize) {
    let path = format!("fixtures/p/recorded/{model}.jsonl");
    let uncounted = |(number, line): (usize, &str)| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        if number < answers {
            line["response"].as_object_mut().expect("an answer").remove("usage");
        }
        format!("{line}\n")
    };
    let lines: String = sandbox.read(&path).lines().enumerate().map(uncounted).collect();
    sandbox.write(&path, lines);
}

#[test]
fn an_answer_whose_tokens_nobody_counted_is_left_out_of_a_comparison() {
    let sandbox = project(4, 30);
    let config = sandbox.read("promptctl.yaml");
    let small = "  small:\n    provider: mock\n    price: { input: 1, output: 2 }\n    replies: [{ say: \"{{ last_user_message }}\" }]\n";
    sandbox.write("promptctl.yaml", format!("{config}{small}defaults: {{ models: [echo] }}\n"));
    record(&sandbox);
    says(&sandbox.run(&["test", "--quiet", "--model", "small"]), 0, &[]);
    let all = json(&sandbox, &["--alternatives"], 0)["alternatives"][0].clone();
    uncount(&sandbox, "small", 1);
    let document = json(&sandbox, &["--alternatives"], 0);
    let found = &document["alternatives"][0];
    assert_eq!((&found["kind"], &found["missing"]), (&"smaller_model".into(), &serde_json::json!([])), "{found:#}");
    assert_ne!(found["now_usd"], all["now_usd"]);
    let ended = sandbox.run(&["cost", "--alternatives"]);
    says(&ended, 0, &["cases that both answered 29 cases (measured); left out, without counted tokens, 1 case"]);
    uncount(&sandbox, "small", 30);
    let none = "missing: cases that both models answered, with their tokens counted";
    says(&sandbox.run(&["cost", "--alternatives"]), 0, &[none]);
}

#[test]
fn a_budget_says_of_how_many_requests_it_speaks_and_shows_what_differs() {
    let sandbox = project(4, 3);
    record(&sandbox);
    uncount(&sandbox, "echo", 2);
    let budget = &json(&sandbox, &["--budget", "$0.01"], 0)["budgets"][0];
    assert_eq!((&budget["standing"], &budget["counted"]), (&"kept".into(), &serde_json::json!([1, 3])));
    let of = ", by 1 of 3 requests: the others are not counted";
    says(&sandbox.run(&["cost", "--budget", "$0.01"]), 0, &[of]);
    // What rounds to the same is shown with the digits that make it more.
    sandbox.edit("promptctl.yaml", "input: 2, cached-input: 0.5, output: 8", "input: 100, output: 100");
    let each = json(&sandbox, &[], 0)["prompts"][0]["cost_usd"]["mean"].as_f64().expect("a cost");
    let limit = format!("${:.8}", each - 1e-8);
    let shown = format!("at most {limit}, and it is ${each:.8}: exceeded{of}");
    says(&sandbox.run(&["cost", "--budget", &limit]), 1, &[&shown]);
}

#[test]
fn a_price_with_a_misspelt_key_names_it() {
    let sandbox = project(1, 1);
    let mut price = "{ input: 2, cached-input: 0.5, output: 8 }".to_owned();
    for (wrong, why) in [
        ("{ input: 1, ouput: 2 }", "unknown key `ouput` in price; did you mean \"output\"?"),
        ("{ input: -1, output: 1 }", "the price of input is below 0"),
        ("{ input: 1 }", "a price needs `input` and `output`"),
    ] {
        sandbox.edit("promptctl.yaml", &price, wrong);
        wrong.clone_into(&mut price);
        let ended = sandbox.run(&["cost"]);
        says(&ended, 2, &[why]);
        assert_eq!(ended.stderr.contains("a price needs"), why.contains("needs"), "{}", ended.shown());
    }
}

#[test]
fn tokens_and_time_have_budgets_too() {
    let sandbox = Sandbox::empty();
    let config = "models: { m: { provider: mock, replies: [{ say: an answer }] } }\n";
    sandbox.write("promptctl.yaml", config);
    sandbox.write(".gitignore", ".promptctl/\n");
    sandbox.write("prompts/p.j2", "Say something about {{ q }}.\n");
    sandbox.write(
        "fixtures/p/cases.yaml",
        "defaults: { snapshot: none, expect: [contains: answer] }\ncases: [{ name: a, vars: { q: apples } }, { name: b, vars: { q: pears } }]\n",
    );
    says(&sandbox.run(&["test"]), 0, &[]);
    let slow = |from: &str, to: &str| {
        let path = "fixtures/p/recorded/m.jsonl";
        let text = sandbox.read(path).replace(&format!("\"latency_ms\":{from}"), &format!("\"latency_ms\":{to}"));
        sandbox.write(path, text);
    };
    slow("0", "800");
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "a"]);
    let tokens = sandbox.run(&["cost", "--budget", "tokens=10000", "--budget", "latency=1s"]);
    says(
        &tokens,
        0,
        &["tokens of a request: at most 10000", "the time of 95 in 100 requests: at most 1000 ms, and it is 800 ms"],
    );
    let none = sandbox.run(&["cost", "--budget", "tokens=1", "--budget", "latency=799ms"]);
    says(&none, 1, &["tokens of a request: at most 1, and it is", "at most 799 ms, and it is 800 ms: exceeded"]);
    says(&sandbox.run(&["cost", "--budget", "tokens=+10%"]), 2, &["needs something to compare with"]);
    slow("800", "1300");
    sandbox.write(
        "promptctl.yaml",
        format!("{config}cost: {{ budget: {{ latency-increase: 50%, tokens-increase: 10%, prompts: {{ p: {{ latency-p95: 1s }} }} }} }}\n"),
    );
    let base = sandbox.run(&["cost", "--base", "HEAD", "--report", "json=c.json", "--report", "markdown=c.md"]);
    says(
        &base,
        1,
        &[
            "the time of 95 in 100 requests against base: at most +50.0 %, and it is +62.5 %: exceeded",
            "tokens of a request against base: at most +10.0 %, and it is +0.0 %",
            "the time of 95 in 100 requests: at most 1000 ms, and it is 1300 ms: exceeded",
        ],
    );
    assert!(sandbox.read("c.md").contains("95 in 100 requests against base"), "{}", sandbox.read("c.md"));
    let json: Value = serde_json::from_str(&sandbox.read("c.json")).expect("JSON");
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/cost.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<String> =
        validator.iter_errors(&json).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // A prompt that says nothing of its time is not within its budget.
    sandbox.write("fixtures/p/recorded/m.jsonl", "");
    says(&sandbox.run(&["cost", "--budget", "latency=1s"]), 3, &["no recorded answer says how long it took"]);
    sandbox.write(
        "promptctl.yaml",
        format!("{config}cost: {{ budget: {{ tokens-increase: ten, latency-p95: soon }} }}\n"),
    );
    says(&sandbox.run(&["cost"]), 2, &["tokens-increase is `ten`; write a percentage", "latency-p95 is `soon`"]);
}
