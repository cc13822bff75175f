//! `promptctl lint`: every rule on a project that it has something against, and on one that it has not; what is printed;
//! waivers, the base, and what is mended.

use std::collections::BTreeSet;

use promptctl::lint::RULES;
use promptctl::project::Level;
use serde_json::Value;

use super::sandbox::{Ended, Sandbox, says};

const CONFIG: &str = "models:\n  m: { provider: mock, replies: [{ say: \"the answer\" }] }\n";
const CASES: &str = "cases:\n  - { name: one, vars: { q: hello }, expect: [{ contains: answer }] }\n";
const PROMPT: &str = "{{ role(\"system\") }}\nAnswer in one line.\n{{ role(\"user\") }}\n{{ q }}\n";

/// What is done to a project before it is looked at.
enum Step {
    Write(&'static str, &'static str),
    Run(&'static [&'static str]),
    Commit,
}

use Step::{Commit, Run, Write};

/// A rule, a project that it has something against, and one that it has not.
struct Example {
    code: &'static str,
    fires: &'static [Step],
    silent: &'static [Step],
    /// Where the first finding is.
    place: (&'static str, u64),
    /// How severe it is, where that is not the rule's own severity.
    severity: Option<&'static str>,
    /// The time, where it is another one.
    now: Option<&'static str>,
}

const fn example(code: &'static str, fires: &'static [Step], silent: &'static [Step]) -> Example {
    Example { code, fires, silent, place: (P, 1), severity: None, now: None }
}

impl Example {
    /// The same, found at another place than the first line of the prompt.
    const fn at(mut self, path: &'static str, line: u64) -> Self {
        self.place = (path, line);
        self
    }

    /// The same, as severe as this.
    const fn severity(mut self, severity: &'static str) -> Self {
        self.severity = Some(severity);
        self
    }

    /// The same at another time.
    const fn now(mut self, now: &'static str) -> Self {
        self.now = Some(now);
        self
    }
}

const P: &str = "prompts/p.j2";
const C: &str = "fixtures/p/cases.yaml";
const Y: &str = "promptctl.yaml";
const TEST: &[&str] = &["test", "--snapshots", "accept"];
const AGAIN: &[&str] = &["test", "--refresh"];
const WRONG: &str = "models:\n  m: { provider: mock, replies: [{ say: \"something else\" }] }\n";
const TWENTY: &str = "Answer one. Write two. Use three. Give four. List five. Avoid six. Follow seven. Keep eight. Explain nine. Describe ten.\nAnswer eleven. Write twelve. Use thirteen. Give fourteen. List fifteen. Avoid sixteen. Follow seventeen. Keep eighteen. Explain nineteen. Describe twenty. {{ q }}\n";

const NINETEEN: &str = "Answer one. Write two. Use three. Give four. List five. Avoid six. Follow seven. Keep eight. Explain nine. Describe ten.\nAnswer eleven. Write twelve. Use thirteen. Give fourteen. List fifteen. Avoid sixteen. Follow seventeen. Keep eighteen. Explain nineteen. {{ q }}\n";
const I01: &str = "models: { m: { provider: mock } }\nlint: { rules: { I01: { tokens: 10 } } }\n";
const I02: &str = "models: { m: { provider: mock } }\nlint: { rules: { I02: { tokens: 20 } } }\n";
const I05: &str = "models: { m: { provider: mock } }\nlint: { rules: { I05: { characters: 60 } } }\n";
const RETRIEVING: &str = "models: { m: { provider: mock, replies: [{ say: the answer }] } }\nretrievers: { h: { type: local, files: \"handbook/*.md\" } }\n";
const LABELS: &str = "Sort it.\n\nInput: my lamp broke\nOutput: warranty\n\nInput: I was charged twice\nOutput: billing\n\nInput: my sofa broke\nOutput: warranty\n\nInput: where is it\nOutput: shipping\n\n{{ q }}\n";

const EXAMPLES: &[Example] = &[
    example("E02", &[Write("prompts/_k.j2", "key: AKIAABCDEFGHIJKLMNOP\n")], &[Write("prompts/_k.j2", "key: AKIA\n")])
    .at("prompts/_k.j2", 1),
    example(
        "E03",
        &[
            Write("fixtures/p/policy.md", "Returns.\n<<<<<<< HEAD\n14 days\n=======\n30 days\n>>>>>>> b\n"),
            Write(C, "cases: [{ name: one, vars: { q: { file: policy.md } }, expect: [contains: a] }]\n"),
        ],
        &[Write("fixtures/p/policy.md", "Returns\n=======\n\n14 days\n")],
    )
    .at("fixtures/p/policy.md", 2),
    example("E04", &[Write(P, "Be\u{200b} kind. {{ q }}\n")], &[Write(P, "שלום\u{200f} {{ q }} 👩\u{200d}🔬\n")]),
    example(
        "E07",
        &[Write(Y, "models:\n  m: { provider: mock, context-window: 10, params: { max_tokens: 5 } }\n")],
        &[Write(Y, "models:\n  m: { provider: mock, context-window: 500, params: { max_tokens: 5 } }\n")],
    ),
    example(
        "E08",
        &[
            Write(P, "---\nversion: 1.0.0\n---\nOne {{ q }}\n"),
            Commit,
            Write(P, "---\nversion: 1.0.0\n---\nTwo {{ q }}\n"),
        ],
        &[
            Write(P, "---\nversion: 1.0.0\n---\nOne {{ q }}\n"),
            Commit,
            Write(P, "---\nversion: 1.0.1\n---\nTwo {{ q }}\n"),
        ],
    )
    .at(P, 2),
    example(
        "E09",
        &[Write(
            P,
            "---\noutput: { schema: { type: object, properties: { a: { type: integer } } } }\n---\nOutput:\n```json\n{\"a\": \"x\"}\n```\n{{ q }}\n",
        )],
        &[Write(
            P,
            "---\noutput: { schema: { type: object, properties: { a: { type: integer } } } }\n---\nOutput:\n```json\n{\"a\": 1}\n```\n{{ q }}\n",
        )],
    )
    .at(P, 6),
    example(
        "E10",
        &[
            Write(P, "Sort it.\n\nInput: my new lamp is broken\nOutput: warranty\n\n{{ q }}\n"),
            Write(C, "cases: [{ name: a, vars: { q: My new lamp is broken! }, expect: [contains: x] }]\n"),
        ],
        &[
            Write(P, "Sort it.\n\nInput: my new lamp is broken\nOutput: warranty\n\n{{ q }}\n"),
            Write(C, "cases: [{ name: a, vars: { q: My old sofa is torn! }, expect: [contains: x] }]\n"),
        ],
    )
    .at(P, 3),
    example(
        "I01",
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { I01: { tokens: 10 } } }\n"),
            Write(
                P,
                "Answer what is asked in a friendly way and do not forget to greet people before you say anything else {{ q }}\n",
            ),
        ],
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { I01: { tokens: 10 } } }\n"),
            Write(
                P,
                "- Answer what is asked in a friendly way\n- do not forget to greet people before you say anything else\n{{ q }}\n",
            ),
        ],
    ),
    // In one message, whatever the others are, and with what is included.
    example(
        "I01",
        &[
            Write(Y, I01),
            Write("prompts/_t.j2", "Answer what is asked in a friendly way and greet people before you say anything else.\n"),
            Write(P, "{{ role('system') }}\nBe kind. {% include \"_t.j2\" %}\n{{ role('user') }}\n\n- {{ q }}\n"),
        ],
        &[
            Write(Y, I01),
            Write("prompts/_t.j2", "\n\n- Answer what is asked in a friendly way.\n- Greet people before you say anything else.\n"),
            Write(P, "{{ role('system') }}\nBe kind. {% include \"_t.j2\" %}\n{{ role('user') }}\n{{ q }}\n"),
        ],
    )
    .at(P, 2),
    example(
        "I02",
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { late-critical: { tokens: 20 } } }\n"),
            Write(
                P,
                "{{ role('system') }}\nAnswer what is asked in a friendly way and greet people before you answer.\nSay who you are, what you do, and where you are.\nIt is critical that no price is named.\n{{ role('user') }}\n{{ q }}\n",
            ),
        ],
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { late-critical: { tokens: 20 } } }\n"),
            Write(
                P,
                "{{ role('system') }}\nIt is critical that no price is named.\nAnswer what is asked in a friendly way and greet people before you answer.\nSay who you are and what you do.\n{{ role('user') }}\n{{ q }}\n",
            ),
        ],
    )
    .at(P, 4),
    // A prompt without messages of its own; what must not be; behind what is included.
    example(
        "I02",
        &[
            Write(Y, I02),
            Write("prompts/_t.j2", "Answer what is asked in a friendly way and greet people before you answer.\nSay who you are and what you do.\n"),
            Write(P, "{% include \"_t.j2\" %}\nYou MUST NOT name a price.\n\n<q>{{ q }}</q>\n"),
        ],
        &[
            Write(Y, I02),
            Write("prompts/_t.j2", "Answer what is asked in a friendly way and greet people before you answer.\nSay who you are and what you do.\n"),
            Write(P, "You MUST NOT name a price.\n{% include \"_t.j2\" %}\n\n<q>{{ q }}</q>\n"),
        ],
    )
    .at(P, 2),
    example("I03", &[Write(P, TWENTY)], &[Write(P, NINETEEN)]),
    example(
        "I03",
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { I03: { count: 3, warn: 4 } } }\n"),
            Write(P, "Answer it. Be kind. Use two lines. Name no price.\nGive a reason. {{ q }}\n"),
        ],
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { I03: { count: 3, warn: 4 } } }\n"),
            Write(P, "Answer it. Be kind. {{ q }}\n"),
        ],
    )
    .severity("warning"),
    example("I04", &[Write(P, "Shorten it if possible. {{ q }}\n")], &[Write(P, "Shorten it to ten words. {{ q }}\n")]),
    example(
        "I04",
        &[Write(P, "Mention a few things. {{ q }}\n")],
        &[Write(P, "A few things are sold. List as many as you see. You may use your own words. {{ q }}\n")],
    ),
    example(
        "I04",
        &[Write(P, "You could perhaps name the price. {{ q }}\n")],
        &[Write(P, "You could be asked for the price. {{ q }}\n")],
    ),
    example(
        "I05",
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { I05: { words: 8 } } }\n"),
            Write(P, "Answer what is asked in a friendly way and greet people. {{ q }}\n"),
        ],
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { I05: { words: 8 } } }\n"),
            Write(P, "Answer what is asked. Greet people first. {{ q }}\n"),
        ],
    ),
    // A paragraph of several lines.
    example(
        "I05",
        &[
            Write(Y, I05),
            Write(P, "Answer what is asked.\n\nGreet people first.\nName no price. Say who you are.\nBe kind to all of them.\n\n{{ q }}\n"),
        ],
        &[
            Write(Y, I05),
            Write(P, "Answer what is asked.\n\nGreet people first.\nName no price.\n- Say who you are.\n- Be kind to all of them.\n\n{{ q }}\n"),
        ],
    )
    .at(P, 3),
    example(
        "I06",
        &[Commit, Write(P, "Answer. Do not guess. Never lie. Don't swear. {{ q }}\n")],
        &[Commit, Write(P, "Answer. Do not guess. {{ q }}\n")],
    ),
    example("I07", &[Write(P, "You are ChatGPT. {{ q }}\n")], &[Write(P, "You are an assistant. {{ q }}\n")]),
    example(
        "I08",
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { I08: { words: 5 } } }\n"),
            Write(P, "Help people who ask about their rights as tenants. {{ q }}\n"),
        ],
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { I08: { words: 5 } } }\n"),
            Write(P, "Help people who ask about their rights in two sentences. {{ q }}\n"),
        ],
    ),
    example(
        "I09",
        &[Write(P, "Q: a\nA: yes\nQ: b\nA: yes\nQ: c\nA: yes\nQ: d\nA: yes\nQ: e\nA: yes\n\n{{ q }}\n")],
        &[Write(P, "Q: a\nA: yes\nQ: b\nA: no\nQ: c\nA: yes\nQ: d\nA: no\nQ: e\nA: yes\n\n{{ q }}\n")],
    ),
    example(
        "I10",
        &[
            Write(
                P,
                "Answer the people who write to us kindly, in their own language, and in no more than three short sentences.\n\n{{ q }}\n",
            ),
            Write(
                "prompts/r.j2",
                "Answer the people who write to us kindly, in their own language, and in no more than three short sentences.\n",
            ),
            Commit,
            Write(
                "prompts/r.j2",
                "Answer the people who write to us kindly, in English, and in no more than three short sentences.\n",
            ),
        ],
        &[
            Write(
                P,
                "Answer the people who write to us kindly, in their own language, and in no more than three short sentences.\n\n{{ q }}\n",
            ),
            Write(
                "prompts/r.j2",
                "Answer the people who write to us kindly, in their own language, and in no more than three short sentences.\n",
            ),
            Commit,
            Write(
                "prompts/r.j2",
                "Be brief.\n\nAnswer the people who write to us kindly, in their own language, and in no more than three short sentences.\n",
            ),
        ],
    ),
    example(
        "I11",
        &[Write(Y, "models: { m: { provider: openai, model: x } }\n")],
        &[Write(Y, "models: { m: { provider: openai, model: x, params: { temperature: 0 } } }\n")],
    )
    .at(Y, 1),
    example(
        "I12",
        &[Write(Y, "models: { m: { provider: openai, model: x } }\n")],
        &[Write(Y, "models: { m: { provider: openai, model: x, params: { max_tokens: 9 } } }\n")],
    )
    .at(Y, 1),
    example(
        "I13",
        &[Write(Y, "models: { m: { provider: openai, model: gpt-4o } }\n")],
        &[Write(Y, "models: { m: { provider: openai, model: gpt-4o-2024-08-06 } }\n")],
    )
    .at(Y, 1),
    example(
        "I14",
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { churn: { commits: 2 } } }\n"),
            Commit,
            Write(P, "One. {{ q }}\n"),
            Commit,
            Write(P, "Two. {{ q }}\n"),
            Commit,
        ],
        &[Commit, Write(P, "One. {{ q }}\n"), Commit],
    ),
    example(
        "I15",
        &[
            Write(
                Y,
                "models:\n  m: { provider: mock, replies: [{ say: the answer }] }\nlint: { rules: { I15: { runs: 2, digests: 2 } } }\n",
            ),
            Run(TEST),
            Write(P, "Other. {{ q }}\n"),
            Run(TEST),
        ],
        &[
            Write(
                Y,
                "models:\n  m: { provider: mock, replies: [{ say: nothing }] }\nlint: { rules: { I15: { runs: 2, digests: 2 } } }\n",
            ),
            Run(AGAIN),
            Write(P, "Other. {{ q }}\n"),
            Run(AGAIN),
        ],
    )
    .at(C, 2),
    example(
        "I16",
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { I16: { tokens: 10 } } }\n"),
            Write(P, "Answer what is asked in a friendly way, and greet people before you answer them. {{ q }}\n"),
        ],
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { I16: { tokens: 1 } } }\n"),
            Write(P, "Answer this now please: {{ q }} {{ q }} {{ q }} {{ q }}\n"),
        ],
    ),
    example(
        "I17",
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { I17: { count: 1 } } }\n"),
            Write(P, "Q: a\nA: yes\nQ: b\nA: no\n\n{{ q }}\n"),
        ],
        &[Write(P, "Q: a\nA: yes\nQ: b\nA: no\n\n{{ q }}\n")],
    ),
    example(
        "I18",
        &[Write(C, "cases: [{ name: one, vars: { q: hi } }]\n")],
        &[Write(C, "cases: [{ name: one, vars: { q: hi }, expect: [word-count: { min: 1 }] }]\n")],
    )
    .at(C, 1),
    example(
        "I19",
        &[
            Write(
                P,
                "Be kind to everybody who writes.\nNever promise what is not in the policy.\nAnswer in two sentences at most.\n{{ q }}\n",
            ),
            Write(
                "prompts/r.j2",
                "Sort it.\nBe kind to everybody who writes.\n\nNever promise what is not in the policy.\nAnswer in two sentences at most.\n",
            ),
        ],
        &[
            Write(P, "Be kind to everybody who writes.\nNever promise what is not in the policy.\n{{ q }}\n"),
            Write(
                "prompts/r.j2",
                "Be kind to everybody who writes.\nNever promise what is not in the policy.\nAnswer in two sentences at most.\n",
            ),
        ],
    ),
    example(
        "I20",
        &[
            Write(
                P,
                "Sort it.\n\nInput: my lamp broke\nOutput: warranty\n\nInput: I was charged twice\nOutput: billing\n\nInput: where is it\nOutput: shipping\n\n{{ q }}\n",
            ),
            Write(
                C,
                "cases:\n  - { name: a, vars: { q: One! }, expect: [equals: billing] }\n  - { name: b, vars: { q: Two! }, expect: [regex: ^Warranty] }\n",
            ),
        ],
        &[
            Write(
                P,
                "Sort it.\n\nInput: my lamp broke\nOutput: warranty\n\nInput: I was charged twice\nOutput: billing\n\nInput: where is it\nOutput: shipping\n\n{{ q }}\n",
            ),
            Write("fixtures/p/rows.csv", "q,label\none,billing\ntwo,warranty\nthree,shipping\n"),
            Write(C, "datasets: [{ file: rows.csv, expect: [{ equals: \"{{ label }}\" }] }]\n"),
        ],
    )
    .at(P, 9),
    // The answers of cases are others.
    example(
        "I20",
        &[
            Write(P, LABELS),
            Write(
                C,
                "cases:\n  - { name: a, vars: { q: One! }, expect: [equals: orders] }\n  - { name: b, vars: { q: Two! }, expect: [equals: returns] }\n",
            ),
        ],
        &[
            Write(P, LABELS),
            Write(
                C,
                "cases:\n  - { name: a, vars: { q: One! }, expect: [contains: kind] }\n  - { name: b, vars: { q: Two! }, expect: [contains: brief] }\n",
            ),
        ],
    )
    .at(P, 3),
    // There is one case.
    example(
        "I20",
        &[Write(P, LABELS), Write(C, "cases: [{ name: a, vars: { q: One! }, expect: [equals: Billing] }]\n")],
        &[
            Write(P, LABELS),
            Write(C, "cases: [{ name: a, vars: { q: One! }, expect: [one-of: [billing, warranty, shipping]] }]\n"),
        ],
    )
    .at(P, 3),
    example(
        "I21",
        &[
            Write(P, "Never promise a refund that the policy excludes.\n{{ q }}\n"),
            Write("prompts/r.j2", "Sort it.\nNever promise a refund that the policy excludes.\n"),
            Write("prompts/s.j2", "Rate it. Never promise a refund that the policy excludes!\n"),
        ],
        &[
            Write(P, "Never promise a refund that the policy excludes.\n{{ q }}\n"),
            Write("prompts/r.j2", "Sort it.\nNever promise a refund that the policy excludes.\n"),
            Write("prompts/s.j2", "Never promise a refund that the law of the land does not know.\n"),
        ],
    ),
    example("I22", &[Write(P, "Use Python 3.11. {{ q }}\n")], &[Write(P, "Use HTTP/1.1 and CC BY 4.0. {{ q }}\n")]),
    example(
        "L01",
        &[Write(P, "{#- promptctl: allow I07 -#}\nYou are ChatGPT. {{ q }}\n")],
        &[Write(P, "{#- promptctl: allow I07 reason=\"a role\" -#}\nYou are ChatGPT. {{ q }}\n")],
    ),
    example(
        "L02",
        &[Write(P, "{#- promptctl: allow I07 until=2025-12-31 reason=\"a role\" -#}\nYou are ChatGPT. {{ q }}\n")],
        &[Write(P, "{#- promptctl: allow I07 until=2026-12-31 reason=\"a role\" -#}\nYou are ChatGPT. {{ q }}\n")],
    ),
    example(
        "L03",
        &[Write(P, "{#- promptctl: allow I07 reason=\"a role\" -#}\nHello. {{ q }}\n")],
        &[Write(P, "{#- promptctl: allow I07 reason=\"a role\" -#}\nYou are ChatGPT. {{ q }}\n")],
    ),
    example(
        "L04",
        &[Write(P, "{#- promptctl: allow I77 reason=\"a role\" -#}\nHello. {{ q }}\n")],
        &[Write(P, "{# we allow much #}Hello. {{ q }}\n")],
    ),
    example(
        "W01",
        &[Write(P, "---\nvars: { q: string, x: { type: string, default: a } }\n---\n{{ q }}\n")],
        &[Write(P, "---\nvars: { q: string }\n---\n{{ q }}\n")],
    )
    .at(P, 2),
    example(
        "W02",
        &[Write(P, "Answer {q}: {{ q }}\n")],
        &[Write(P, "Answer {name} or `${q}` or { q }: {{ q }}\n```\n{q}\n```\n")],
    ),
    example("W03", &[Write(P, "Reply in JSON. {{ q }}\n")], &[Write(P, "Reply in JSON such as {\"a\": 1}. {{ q }}\n")]),
    example(
        "W03",
        &[Write(P, "Answer in YAML. {{ q }}\n")],
        &[Write(P, "Answer in YAML. {{ q }}\n"), Write(C, "cases: [{ name: a, vars: { q: b }, expect: [is-yaml] }]\n")],
    ),
    example("W03", &[Write(P, "Return XML. {{ q }}\n")], &[Write(P, "Return XML, a <name> in it. {{ q }}\n")]),
    example("W03", &[Write(P, "Output a CSV. {{ q }}\n")], &[Write(P, "Output a CSV with the columns a and b. {{ q }}\n")]),
    example("W03", &[Write(P, "Antworte in JSON. {{ q }}\n")], &[Write(P, "Antworte nicht in JSON. {{ q }}\n")]),
    example("W03", &[Write(P, "Use JSON. {{ q }}\n")], &[Write(P, "Use JSON Schema to check it. {{ q }}\n")]),
    example("W03", &[Write(P, "Your answer is JSON. {{ q }}\n")], &[Write(P, "The input is JSON. {{ q }}\n")]),
    example(
        "W03",
        &[Write(P, "---\ntools: [{ name: lookup }]\n---\nReturn the result as JSON. {{ q }}\n")],
        &[Write(P, "---\ntools: [{ name: lookup }]\n---\nGive the arguments of a tool as JSON. {{ q }}\n")],
    )
    .at(P, 4),
    example(
        "W04",
        &[Write("prompts/r.j2", "Hello.\n")],
        &[
            Write("prompts/r.j2", "Hello.\n"),
            Write("fixtures/r/rows.csv", "label\na\n"),
            Write("fixtures/r/cases.yaml", "datasets: [{ file: rows.csv, expect: [{ equals: \"{{ label }}\" }] }]\n"),
        ],
    )
    .at("prompts/r.j2", 1),
    example(
        "W05",
        &[Write(P, "You MUST answer. NEVER guess. ALWAYS greet. {{ q }}\n")],
        &[Write(P, "You MUST answer in a JSON or XML file from the USA. {{ q }}\n")],
    ),
    example(
        "W06",
        &[Write(
            P,
            "Answer in one line only.\nBe kind. Answer in one line only!\n- answer in one line only\n{{ q }}\n",
        )],
        &[Write(P, "Answer in one line only.\nBe kind. Answer in one line only!\n{{ q }}\n")],
    )
    .at(P, 2),
    example(
        "W07",
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { growth: { tokens: 5 } } }\n"),
            Commit,
            Write(P, "Answer in one line. Greet people before you say anything else. Name no price. {{ q }}\n"),
        ],
        &[
            Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { growth: { tokens: 5 } } }\n"),
            Commit,
            Write(P, "{{ role(\"system\") }}\nAnswer in two lines.\n{{ role(\"user\") }}\n{{ q }}\n"),
        ],
    ),
    example(
        "W08",
        &[Write(Y, "models: { m: { provider: openai, model: chatgpt-4o-latest } }\n")],
        &[Write(Y, "models: { m: { provider: openai, model: gpt-4o } }\n")],
    )
    .at(Y, 1),
    example(
        "W09",
        &[Write(Y, "models: { m: { provider: openai, model: x, retires-on: 2026-02-01 } }\n")],
        &[Write(Y, "models: { m: { provider: openai, model: x, retires-on: 2026-06-01 } }\n")],
    )
    .at(Y, 1),
    example(
        "W10",
        &[Write(P, "Today is 5 May, the year is 2024. It ends on January 5, 2025. {{ q }}\n")],
        &[Write(P, "Write dates like 2024-01-31. {{ q }}\n")],
    ),
    example(
        "W11",
        &[Write(P, "Be concise. {{ q }}\n\nBe as detailed as possible.\n")],
        &[Write(P, "Be concise. Think step by step. {{ q }}\n")],
    )
    .at(P, 3),
    example(
        "W12",
        &[
            Write(P, "Read {{ q }} and then say what it is about.\n"),
            Write(C, "cases: [{ name: one, vars: { q: \"a\\nb\" }, expect: [contains: a] }]\n"),
        ],
        &[
            Write(P, "Read <text>{{ q }}</text> and then say what it is about.\n"),
            Write(C, "cases: [{ name: one, vars: { q: \"a\\nb\" }, expect: [contains: a] }]\n"),
        ],
    ),
    // What users write, in the middle of a sentence, however short the case.
    example(
        "W12",
        &[
            Write(P, "Answer {{ user_message }} in one line.\n"),
            Write(C, "cases: [{ name: one, vars: { user_message: hi }, expect: [contains: a] }]\n"),
        ],
        &[
            Write(P, "Message: {{ user_message }}\nAnswer:\n"),
            Write(C, "cases: [{ name: one, vars: { user_message: hi }, expect: [contains: a] }]\n"),
        ],
    ),
    example(
        "W12",
        &[
            Write(P, "{% include \"_t.j2\" %}\n"),
            Write("prompts/_t.j2", "Read\n{{ q }}\nand tell.\n"),
            Write("prompts/r.j2", "{% include \"_t.j2\" %} Be kind.\n"),
            Write(C, "cases: [{ name: one, vars: { q: \"a\\nb\" }, expect: [contains: a] }]\n"),
        ],
        &[
            Write(P, "{% include \"_t.j2\" %}\n"),
            Write("prompts/_t.j2", "Read\n{{ q }}\nAnswer:\n"),
            Write(C, "cases: [{ name: one, vars: { q: \"a\\nb\" }, expect: [contains: a] }]\n"),
        ],
    )
    .at("prompts/_t.j2", 2),
    example(
        "W12",
        &[
            Write(P, "{% for m in q %}\nRead {{ m.body }} and tell.\n{% endfor %}\n"),
            Write(C, "cases: [{ name: one, vars: { q: [{ body: \"a\\nb\", id: c }] }, expect: [contains: a] }]\n"),
        ],
        &[
            Write(P, "{% for m in q %}\nRead {{ m.id }} and {{ m.body | tojson }} and tell.\n{% endfor %}\n"),
            Write(C, "cases: [{ name: one, vars: { q: [{ body: \"a\\nb\", id: c }] }, expect: [contains: a] }]\n"),
        ],
    )
    .at(P, 2),
    example("W13", &[Run(TEST), Write(P, "Other. {{ q }}\n")], &[Run(TEST)]),
    example(
        "W14",
        &[Write(P, "{# TODO: ask the lawyers #}Answer. {{ q }}\n")],
        &[Write(P, "{# asked the lawyers #}Write a todo list. {{ q }}\n")],
    ),
    example(
        "W15",
        &[
            Write(
                Y,
                "models:\n  m: { provider: mock, params: { max_tokens: 3 }, replies: [{ say: one two three }] }\n",
            ),
            Write(C, "cases: [{ name: one, vars: { q: a } }]\n"),
            Run(TEST),
        ],
        &[
            Write(
                Y,
                "models:\n  m: { provider: mock, params: { max_tokens: 300 }, replies: [{ say: one two three }] }\n",
            ),
            Write(C, "cases: [{ name: one, vars: { q: a } }]\n"),
            Run(TEST),
        ],
    ),
    example("W16", &[Write(P, "Go on with {{ q }}: \n")], &[Write(P, "Go on with  {{ q }}:\n")]),
    example(
        "W17",
        &[Write(
            C,
            "cases: [{ name: one, vars: { q: a }, expect: [contains: a], quarantine: { until: 2025-12-31 } }]\n",
        )],
        &[Write(
            C,
            "cases: [{ name: one, vars: { q: a }, expect: [contains: a], quarantine: { until: 2026-12-31 } }]\n",
        )],
    )
    .at(C, 1),
    example(
        "W18",
        &[Write(P, "---\ntools: [{ name: lookup_order }]\n---\nUse look_up_orders for orders. {{ q }}\n")],
        &[Write(P, "---\ntools: [{ name: lookup_order }]\n---\nUse lookup_order for orders. {{ q }}\n")],
    )
    .at(P, 4),
    example(
        "W18",
        &[Write(P, "---\ntools: [{ name: lookupOrder }]\n---\nCall `findUser` first. {{ q }}\n")],
        &[Write(P, "---\ntools: [{ name: lookupOrder }]\n---\nCall `lookupOrder` first, use iPhone words. {{ q }}\n")],
    )
    .at(P, 4),
    example(
        "W18",
        &[Write(P, "---\ntools: [{ name: lookup }]\n---\nUse the `search` tool. {{ q }}\n")],
        &[Write(P, "---\ntools: [{ name: lookup }]\n---\nUse the `lookup` tool, or the right tool. {{ q }}\n")],
    )
    .at(P, 4),
    example(
        "W19",
        &[Write(
            P,
            "---\noutput: { schema: { type: object, properties: { queue: { type: string } } } }\n---\nReply with the keys queue and urgent. {{ q }}\n",
        )],
        &[Write(
            P,
            "---\noutput: { schema: { type: object, properties: { queue: { type: string }, urgent: { type: boolean } } } }\n---\nReply with the keys `queue` and `urgent`. {{ q }}\n",
        )],
    )
    .at(P, 4),
    // A list with an item for each key.
    example(
        "W19",
        &[Write(P, "---\noutput: { schema: { type: object, properties: { queue: { type: string }, urgent: { type: boolean } } } }\n---\nReply in JSON with these keys:\n- queue: which\n- priority: how urgent\n\n{{ q }}\n")],
        &[Write(P, "---\noutput: { schema: { type: object, properties: { queue: { type: string }, urgent: { type: boolean } } } }\n---\nReply in JSON with these keys:\n- queue: one of\n  - a: for apples\n- urgent: which\n\n{{ q }}\n")],
    )
    .at(P, 6),
    // One that the list leaves out.
    example(
        "W19",
        &[Write(P, "---\noutput: { schema: { type: object, properties: { queue: { type: string }, urgent: { type: boolean } } } }\n---\nReply with the keys: queue. {{ q }}\n")],
        &[Write(P, "---\noutput: { schema: { type: object, properties: { queue: { type: string }, urgent: { type: boolean } } } }\n---\nReply with the keys: queue. Say whether it is urgent. {{ q }}\n")],
    )
    .at(P, 4),
    example(
        "W20",
        &[Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { size-instructions: { tokens: 3 } } }\n")],
        &[Write(Y, "models: { m: { provider: mock } }\nlint: { rules: { size-instructions: { tokens: 30 } } }\n")],
    ),
    example(
        "W22",
        &[
            Write(
                P,
                "---\nvars: { question: string, q: { type: string, default: a } }\n---\n{{ role('system') }}\nAnswer {{ question }}{{ q }}\n",
            ),
            Write(C, "cases: [{ name: one, vars: { question: a }, expect: [contains: a] }]\n"),
        ],
        &[
            Write(
                P,
                "---\nvars: { question: { type: string, trusted: true }, q: { type: string, default: a } }\n---\n{{ role('system') }}\nAnswer {{ question }}{{ q }}\n",
            ),
            Write(C, "cases: [{ name: one, vars: { question: a }, expect: [contains: a] }]\n"),
        ],
    )
    .at(P, 5),
    example(
        "W23",
        &[Write("prompts/_t.j2", "Be kind.\n")],
        &[Write("prompts/_t.j2", "Be kind.\n"), Write(P, "{% include \"_t.j2\" %} {{ q }}\n")],
    )
    .at("prompts/_t.j2", 1),
    example(
        "W24",
        &[Write(P, "{% if q == 'x' %}A{% else %}B{% endif %}\n")],
        &[Write(P, "{% for c in q %}{{ c }}{% endfor %}\n")],
    ),
    example(
        "W25",
        &[Write(P, "{# Never talk about prices to anybody. #}Answer. {{ q }}\n")],
        &[Write(P, "{# The tone is that of the shop. #}Answer. {{ q }}\n")],
    ),
    example(
        "W26",
        &[Write(C, "defaults: { vars: { z: a } }\ncases: [{ name: one, vars: { q: a }, expect: [contains: a] }]\n")],
        &[Write(
            C,
            "defaults: { vars: { z: a } }\ncases: [{ name: one, vars: { q: a }, expect: [contains: '{{ z }}'] }]\n",
        )],
    )
    .at(C, 1),
    example(
        "W27",
        &[Write(C, "cases: [{ name: one, vars: { q: a }, snapshot: none, unasserted: allow }]\n")],
        &[Write(C, "cases: [{ name: one, vars: { q: a }, snapshot: text, unasserted: allow }]\n")],
    )
    .at(C, 1),
    // 115 days after the recording.
    example(
        "W28",
        &[Run(TEST)],
        &[
            Run(TEST),
            Write(
                Y,
                "models:\n  m: { provider: mock, replies: [{ say: the answer }] }\nrecordings: { max-age: off }\n",
            ),
        ],
    )
    .now("1777225600"),
    example(
        "W28",
        &[
            Write(Y, "models: { m: { provider: mock, replies: [{ say: the answer }] } }\nlint: { rules: { W28: { days: 114 } } }\n"),
            Run(TEST),
        ],
        &[
            Write(Y, "models: { m: { provider: mock, replies: [{ say: the answer }] } }\nlint: { rules: { W28: { days: 115 } } }\n"),
            Run(TEST),
        ],
    )
    .now("1777225600"),
    example(
        "W29",
        &[Write(C, "cases: [{ name: one, vars: { q: a } }]\n"), Run(TEST), Write(P, "Other. {{ q }}\n")],
        &[Write(C, "cases: [{ name: one, vars: { q: a } }]\n"), Run(TEST)],
    ),
    example(
        "W30",
        &[Run(AGAIN), Write(Y, WRONG), Run(AGAIN), Write(Y, CONFIG), Run(AGAIN)],
        &[Run(AGAIN), Run(AGAIN), Run(AGAIN)],
    )
    .at(C, 2),
    example(
        "W31",
        &[Write(P, "Write to joe.miller@gmx.de. {{ q }}\n")],
        &[Write(P, "Write to joe@example.com or 4242 4242 4242 4242. {{ q }}\n")],
    ),
    example(
        "W32",
        &[Write(
            P,
            "{% if q %}{% if q %}{% for c in q %}{% if c %}{{ c }}{% endif %}{% endfor %}{% endif %}{% endif %}\n",
        )],
        &[Write(P, "{% if q %}{% if q %}{% for c in q %}{{ c }}{% endfor %}{% endif %}{% endif %}\n")],
    ),
    example(
        "W33",
        &[
            Write(P, "Answer the question.\n<docs>{{ context }}</docs>\n{{ q }}\n"),
            Write(C, "cases: [{ name: one, vars: { q: a, context: b }, expect: [contains: a] }]\n"),
        ],
        &[
            Write(
                P,
                "Answer the question; if the documents do not say it, say so.\n<docs>{{ context }}</docs>\n{{ q }}\n",
            ),
            Write(C, "cases: [{ name: one, vars: { q: a, context: b }, expect: [contains: a] }]\n"),
        ],
    )
    .at(P, 2),
    // What a retriever finds is documents, whatever a loop calls it.
    example(
        "W33",
        &[
            Write(Y, RETRIEVING),
            Write("handbook/a.md", "# Refunds\nWithin 14 days.\n"),
            Write(P, "---\nvars: { q: string }\nretriever: { use: h, query: \"{{ q }}\" }\n---\nYou help employees with the handbook.\n{% for d in documents %}<doc>{{ d.text }}</doc>{% endfor %}\n{{ q }}\n"),
        ],
        &[
            Write(Y, RETRIEVING),
            Write("handbook/a.md", "# Refunds\nWithin 14 days.\n"),
            Write(P, "---\nvars: { q: string }\nretriever: { use: h, query: \"{{ q }}\" }\n---\nYou help employees with the handbook; if it is silent, say so.\n{% for d in documents %}<doc>{{ d.text }}</doc>{% endfor %}\n{{ q }}\n"),
        ],
    )
    .at(P, 6),
    // No question is asked where something is sorted.
    example(
        "W33",
        &[
            Write(P, "Use the articles to help the customer.\n<docs>{{ articles }}</docs>\n{{ q }}\n"),
            Write(C, "cases: [{ name: one, vars: { q: a, articles: b }, expect: [contains: a] }]\n"),
        ],
        &[
            Write(P, "Classify the message.\n<docs>{{ articles }}</docs>\n{{ q }}\n"),
            Write(C, "cases: [{ name: one, vars: { q: a, articles: b }, expect: [contains: a] }]\n"),
        ],
    )
    .at(P, 2),
    // A schema may leave a way out.
    example(
        "W33",
        &[
            Write(P, "---\noutput: { schema: { type: object, properties: { answer: { type: string } }, required: [answer] } }\n---\nAnswer the question.\n<docs>{{ context }}</docs>\n{{ q }}\n"),
            Write(C, "cases: [{ name: one, vars: { q: a, context: b }, expect: [contains: a] }]\n"),
        ],
        &[
            Write(P, "---\noutput: { schema: { type: object, properties: { answer: { type: [string, 'null'] } }, required: [answer] } }\n---\nAnswer the question.\n<docs>{{ context }}</docs>\n{{ q }}\n"),
            Write(C, "cases: [{ name: one, vars: { q: a, context: b }, expect: [contains: a] }]\n"),
        ],
    )
    .at(P, 5),
    example(
        "W34",
        &[
            Write(Y, "models:\n  m: { provider: mock, context-window: 40 }\n"),
            Write(P, "Answer what is asked in a friendly way, and greet people before you answer them. {{ q }}\n"),
        ],
        &[
            Write(Y, "models:\n  m: { provider: mock, context-window: 400 }\n"),
            Write(P, "Answer what is asked in a friendly way, and greet people before you answer them. {{ q }}\n"),
        ],
    ),
    example(
        "W35",
        &[
            Write(Y, "models:\n  m: { provider: mock }\nlint: { rules: { W35: warning } }\n"),
            Write(P, "Answer {{ q | split | join('-') }} in one line, and say nothing else.\n"),
        ],
        &[
            Write(Y, "models:\n  m: { provider: mock }\nlint: { rules: { W35: warning } }\n"),
            Write(P, "Answer {{ q.split() | join('-') }} in one line, and say nothing else.\n"),
        ],
    )
    .severity("warning"),
];

fn project(steps: &[Step]) -> Sandbox {
    let sandbox = Sandbox::empty();
    for (path, text) in [(Y, CONFIG), (P, PROMPT), (C, CASES), (".gitignore", ".promptctl/\n")] {
        sandbox.write(path, text);
    }
    let mut is_repository = false;
    for step in steps {
        match step {
            Write(path, text) => sandbox.write(path, text),
            Run(args) => {
                let ended = sandbox.run(args);
                assert!(ended.code != 2, "{}", ended.shown());
            }
            Commit => {
                if !is_repository {
                    sandbox.git(&["init", "-q"]);
                }
                is_repository = true;
                sandbox.git(&["add", "-A"]);
                sandbox.git(&["commit", "-qm", "Change the prompt"]);
            }
        }
    }
    sandbox
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.shown()))
}

/// The findings of one rule.
fn found(example: &Example, steps: &[Step]) -> (Vec<Value>, String) {
    let sandbox = project(steps);
    let only = ["lint", "--report", "json", "--rule", example.code];
    // What is wrong with waivers shows beside what they waive.
    let args = if example.code.starts_with('L') { &only[..3] } else { &only[..] };
    let ended = sandbox.run_with(args, &[("SOURCE_DATE_EPOCH", example.now.unwrap_or("1767225600"))]);
    assert!(matches!(ended.code, 0 | 1), "{}: {}", example.code, ended.shown());
    let report = report(&ended);
    let findings = report["findings"].as_array().expect("a list").iter();
    (findings.filter(|finding| finding["code"] == example.code).cloned().collect(), ended.shown())
}

/// How severe a rule is where nobody says; one that is off is an info when it is asked for.
fn severity(code: &str) -> &'static str {
    let rule = RULES.iter().find(|rule| rule.code == code).expect("a rule");
    match rule.level {
        Level::Off | Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

#[test]
fn every_rule_has_something_against_one_project_and_nothing_against_another() {
    use rayon::prelude::*;
    let named: BTreeSet<&str> = EXAMPLES.iter().map(|example| example.code).collect();
    let rules: BTreeSet<&str> = RULES.iter().map(|rule| rule.code).collect();
    assert_eq!(named, rules, "each rule has its examples");
    let wrong: Vec<String> = EXAMPLES
        .par_iter()
        .flat_map(|example| {
            let (fires, shown) = found(example, example.fires);
            let (silent, against) = found(example, example.silent);
            let mut wrong = Vec::new();
            let expected = (example.place.0, example.place.1, example.severity.unwrap_or(severity(example.code)));
            match fires.first() {
                None => wrong.push(format!("{} finds nothing: {shown}", example.code)),
                Some(first) => {
                    let is = (&first["path"], &first["line"], &first["severity"]);
                    if is != (&expected.0.into(), &expected.1.into(), &expected.2.into()) {
                        wrong.push(format!("{}: {is:?} instead of {expected:?}", example.code));
                    }
                }
            }
            if !silent.is_empty() {
                wrong.push(format!("{} finds something: {against}", example.code));
            }
            wrong
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_of_rules_is_that_of_the_program() {
    let text = include_str!("../../docs/linting.md");
    let table = text.split_once("| rule | severity | limits |").expect("a table").1;
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    let limits = |rule: &promptctl::lint::Rule| {
        let each = rule.limits.iter().map(|limit| format!("{}: {}", limit.name, limit.default));
        each.collect::<Vec<_>>().join(", ")
    };
    let level = |level| match level {
        Level::Off => "off",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let written: Vec<String> = RULES
        .iter()
        .map(|rule| {
            let (code, name, level) = (rule.code, rule.name, level(rule.level));
            format!("| {code} `{name}` | {level} | {} | {} | {} |", limits(rule), rule.reason, rule.fix)
        })
        .collect();
    for (row, written) in rows.iter().zip(&written) {
        assert_eq!(row, written);
    }
    assert_eq!(rows.len(), written.len(), "one row a rule");
    // How often they fire is told by their names, too.
    for row in text.lines().filter(|line| line.ends_with(" % |")) {
        let name = row.trim_matches(['|', ' ']).split('|').next().unwrap_or_default().trim();
        assert!(RULES.iter().any(|rule| format!("{} {}", rule.code, rule.name) == name), "{row}");
    }
}

#[test]
fn what_several_prompts_include_is_told_once() {
    let sandbox = project(&[
        Write(P, "{% include \"_t.j2\" %}\n{{ q }}\n"),
        Write("prompts/r.j2", "{% include \"_t.j2\" %}\nBe kind.\n"),
        Write("prompts/_t.j2", "Reply in JSON.\n"),
    ]);
    says(&sandbox.run(&["lint", "--rule", "W03"]), 0, &["prompts/_t.j2:1:1", "1 warning in 2 prompts"]);
}

/// A project with something of every severity, of hostile texts, and in a partial.
fn indebted() -> Sandbox {
    project(&[
        Write(
            P,
            "{{ role(\"system\") }}\nYou are ChatGPT, and today is 2024-05-01.\nAnswer {q}.\u{200b}\n{% include \"_t.j2\" %}\n{{ role(\"user\") }}\n{{ q }}: \n",
        ),
        Write("prompts/_t.j2", "{# TODO ::error::x ##[y] #}Be kind\u{1b}[2J.\n"),
        Write("prompts/a b.j2", "::set-env name=x::y {{ 1 }} \n"),
    ])
}

#[test]
fn what_is_found_is_shown_with_its_line() {
    insta::assert_snapshot!(indebted().run(&["lint"]).shown());
}

#[test]
fn programs_get_json() {
    let sandbox = indebted();
    let ended = sandbox.run(&["lint", "--report", "json"]);
    assert_eq!(ended.code, 1);
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/lint.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let document = report(&ended);
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(sandbox.run(&["lint", "--report", "json"]).stdout, ended.stdout, "byte for byte");
    insta::assert_snapshot!(ended.stdout);
}

#[test]
fn code_hosts_get_sarif() {
    let sandbox = indebted();
    let ended = sandbox.run(&["lint", "--report", "sarif"]);
    assert_eq!(sandbox.run(&["lint", "--report", "sarif"]).stdout, ended.stdout, "byte for byte");
    let document = report(&ended);
    let run = &document["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"].as_array().map(Vec::len), Some(RULES.len()));
    for result in run["results"].as_array().expect("results") {
        let rule = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(run["tool"]["driver"]["rules"][rule]["id"], result["ruleId"]);
    }
    let results = serde_json::to_string_pretty(&run["results"]).expect("JSON");
    insta::assert_snapshot!(results);
}

#[test]
fn the_runner_of_a_pipeline_gets_commands_and_no_text_is_one() {
    let ended = indebted().run(&["lint", "--report", "github"]);
    let commands = ended.stdout.lines().filter(|line| line.trim_start().starts_with("::"));
    let known = ["::group::promptctl lint", "::endgroup::", "::error file=", "::warning file=", "::notice file="];
    for line in commands {
        assert!(known.iter().any(|known| line.starts_with(known)), "{line}");
    }
    assert!(!ended.stdout.contains('\u{1b}'));
    insta::assert_snapshot!(ended.shown());
}

#[test]
fn what_fails_is_for_the_project_to_say() {
    let sandbox = project(&[Write(P, "You are ChatGPT. {{ q }}\n")]);
    says(&sandbox.run(&["lint", "--rule", "I07"]), 0, &["1 info in 1 prompt"]);
    says(&sandbox.run(&["lint", "--rule", "I07", "--fail-on", "info"]), 1, &["I07 model-name"]);
    sandbox.write(Y, format!("{CONFIG}lint: {{ rules: {{ model-name: error }} }}\n"));
    says(&sandbox.run(&["lint"]), 1, &["error [I07 model-name]"]);
    sandbox.write(Y, format!("{CONFIG}lint: {{ rules: {{ I07: off }}, fail-on: info }}\n"));
    says(&sandbox.run(&["lint"]), 0, &["nothing found in 1 prompt"]);
    assert_eq!(sandbox.run(&["lint", "--quiet"]).stdout, "");
    for (wrong, what) in [
        ("{ rules: { I77: off } }", "there is no rule `I77`"),
        ("{ rules: { emphasiss: off } }", "did you mean \"emphasis\"?"),
        ("{ rules: { I07: of } }", "did you mean \"off\"?"),
        ("{ rules: { W05: { cout: 3 } } }", "did you mean \"count\"?"),
        ("{ rules: { W05: off, emphasis: info } }", "stands here a second time"),
        ("{ rules: { W05: { count: -1 } } }", "must not be below 0"),
        ("{ fail-on: off }", "fail-on is `off`"),
        ("{ rules: { W34: { share: 5 } } }", "share is a part of 1, such as 0.5"),
        ("{ rules: { growth: { factor: 0.5 } } }", "factor must be above 1"),
    ] {
        sandbox.write(Y, format!("{CONFIG}lint: {wrong}\n"));
        says(&sandbox.run(&["lint"]), 2, &[what]);
        says(&sandbox.run(&["test"]), 2, &[what]);
    }
}

#[test]
fn nothing_to_look_at_is_no_pass() {
    let sandbox = project(&[]);
    says(&sandbox.run(&["lint", "nobody"]), 4, &["the prompt `nobody` matches nothing"]);
    says(&sandbox.run(&["lint", "--rule", "W99"]), 2, &["there is no rule `W99`"]);
    says(&sandbox.run(&["lint", "--report", "xml"]), 2, &["there is no report format `xml`"]);
    says(&sandbox.run(&["lint", "--base", "nowhere"]), 2, &[]);
    std::fs::remove_file(sandbox.path(P)).expect("removed");
    std::fs::remove_file(sandbox.path(C)).expect("removed");
    says(&sandbox.run(&["lint"]), 4, &["there is no prompt to look at"]);
}

#[test]
fn waivers_hold_where_they_stand() {
    let sandbox = project(&[Write(
        P,
        "{{ role('system') }}\n{#- promptctl: allow I07 until=2026-06-30 reason=\"a role, not a model\" -#}\nYou are ChatGPT.\nYou are Gemini Pro.\n\nYou are Claude 3.\n{{ role('user') }}\n{{ q }}\n",
    )]);
    let ended = sandbox.run(&["lint", "--rule", "I07"]);
    says(&ended, 0, &["prompts/p.j2:6:9", "1 info in 1 prompt (2 waived)"]);
    says(
        &sandbox.run(&["lint", "--waivers"]),
        0,
        &["prompts/p.j2:2:1: I07 until 2026-06-30, waives 2 findings: a role, not a model"],
    );
    let late = sandbox.run_with(&["lint"], &[("SOURCE_DATE_EPOCH", "1783000000")]);
    says(&late, 0, &["L02 waiver-expired", "prompts/p.j2:3:9"]);
    sandbox.write(
        C,
        "cases:\n  # promptctl: allow I18 reason=\"the text is the point\"\n  - name: one\n    vars: { q: hello }\n",
    );
    says(&sandbox.run(&["lint", "--rule", "I18"]), 0, &["nothing found in 1 prompt (1 waived)"]);
    sandbox
        .write(P, "---\n# promptctl: allow I07 reason=\"everywhere\"\nversion: 1.0.0\n---\nYou are ChatGPT. {{ q }}\n");
    says(&sandbox.run(&["lint", "--rule", "I07"]), 0, &["nothing found in 1 prompt (1 waived)"]);
}

#[test]
fn only_what_is_new_counts_against_a_base() {
    let sandbox = project(&[Write(P, "You are ChatGPT. {{ q }}\n"), Commit]);
    says(
        &sandbox.run(&["lint", "--rule", "I07", "--base", "HEAD", "--fail-on", "info"]),
        0,
        &["1 that HEAD has already left out"],
    );
    sandbox.write(P, "\n\nHello.\nYou are ChatGPT. You are Gemini Pro. {{ q }}\n");
    let ended = sandbox.run(&["lint", "--rule", "I07", "--base", "HEAD", "--fail-on", "info"]);
    says(&ended, 1, &["`Gemini Pro` names a model", "1 info in 1 prompt (1 that HEAD has already left out)"]);
    assert!(!ended.stdout.contains("ChatGPT` names"), "{}", ended.stdout);
    // The same a second time is new.
    sandbox.write(P, "You are ChatGPT. Yes, ChatGPT. {{ q }}\n");
    says(&sandbox.run(&["lint", "--rule", "I07", "--base", "HEAD", "--fail-on", "info"]), 1, &["1 info in 1 prompt"]);
}

#[test]
fn what_needs_no_decision_is_mended_once_and_for_all() {
    let text = "\u{feff}Answer {q},\u{200b} or {q}.\r\nGo on: {{ q }}: \r\n";
    let sandbox = project(&[Write(P, text)]);
    let before = sandbox.files();
    says(
        &sandbox.run(&["lint", "--fix", "--dry-run"]),
        1,
        &["would mend prompts/p.j2:1: W02 single-brace", "would be mended"],
    );
    assert_eq!(sandbox.files(), before);
    says(
        &sandbox.run(&["lint", "--fix"]),
        0,
        &["mended prompts/p.j2:1: E04 invisible-character", "mended prompts/p.j2:2: W16 trailing-space"],
    );
    assert_eq!(sandbox.read(P), "\u{feff}Answer {{ q }}, or {{ q }}.\r\nGo on: {{ q }}:\r\n");
    let after = sandbox.files();
    let again = sandbox.run(&["lint", "--fix"]);
    assert!(!again.stderr.contains("mended"), "{}", again.shown());
    assert_eq!(sandbox.files(), after);
}

#[test]
fn coverage_is_shown_line_by_line() {
    let sandbox = project(&[
        Write(
            P,
            "---\nversion: 1.0.0\n---\n{{ role(\"user\") }}\nHello.\n{% if q == \"x\" %}\nNobody asks this.\n{% else %}\nEverybody asks this.\n{% endif %}\n{{ \"short\" if q else \"long\" }} answer.\n{% include \"_t.j2\" %}\n",
        ),
        Write("prompts/_t.j2", "Be {% if q %}kind{% endif %}.\n"),
    ]);
    insta::assert_snapshot!(sandbox.run(&["lint", "--coverage"]).shown());
}

#[test]
fn a_rule_explains_itself() {
    let sandbox = Sandbox::empty();
    says(&sandbox.run(&["lint", "--explain", "W05"]), 0, &["W05 emphasis warning", "why: ", "fix: ", "count: 5"]);
    says(&sandbox.run(&["lint", "--explain", "W0"]), 2, &["there is no rule `W0`"]);
}

#[test]
fn keys_and_people_are_found_and_never_shown() {
    let key = format!("AKIA{}", "ABCDEFGHIJKLMNOP");
    let sandbox = project(&[]);
    sandbox.write("prompts/_k.j2", format!("key {key}\n"));
    sandbox.write("fixtures/p/people.csv", "id,q\n1,joe.miller@gmx.de\n");
    for format in ["human", "json", "sarif", "github"] {
        let ended = sandbox.run(&["lint", "--report", format]);
        says(&ended, 1, &["E02", "W31"]);
        assert!(!ended.shown().contains(&key) && !ended.shown().contains("joe.miller"), "{}", ended.shown());
    }
}

#[test]
fn very_large_prompts_are_looked_at_in_time() {
    let sandbox = project(&[]);
    sandbox.write("prompts/line.j2", "NEVER do it. Always do it, if possible. ".repeat(6_000));
    let lines: String =
        (0..6_000).map(|i| format!("Line {} says that you must never do it {{q}}.\u{200b}\n", i % 7)).collect();
    sandbox.write("prompts/lines.j2", format!("{lines}{{{{ q }}}} and go on\n"));
    sandbox.write("prompts/empty.j2", "");
    let begun = std::time::Instant::now();
    let ended = sandbox.run(&["lint"]);
    says(&ended, 1, &["(and so 5950 more)", "in 3 prompts (1 skipped"]);
    assert!(begun.elapsed().as_secs() < 40, "{:?}", begun.elapsed());
    says(&sandbox.run(&["lint", "lines", "--fix"]), 0, &["mended prompts/lines.j2"]);
    says(&sandbox.run(&["lint", "lines", "--rule", "E04", "--rule", "W02"]), 0, &["nothing found in 1 prompt"]);
}
