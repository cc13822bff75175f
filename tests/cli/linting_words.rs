//! What the rules of `promptctl lint` that read text say of many ways to put a thing: the same rule on prompts that it has
//! something against, and on good ones.

use serde_json::Value;

use super::sandbox::{Sandbox, says};

const VALUES: &str = "text: My parcel has not come yet, what: hello there, plan: pro, context: \"Returns are free.\\nSo is repair.\", documents: Returns are free., question: Are returns free?, user_input: \"one\\ntwo\"";

/// A whole template, of what its system message says.
fn template(said: &str) -> String {
    if said.starts_with("---") || said.contains("role(") {
        return said.to_owned();
    }
    format!("{{{{ role(\"system\") }}}}\n{said}\n{{{{ role(\"user\") }}}}\n<text>{{{{ text }}}}</text>\n")
}

fn texts(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// Holds a rule against prompts that it is to find something in, and others.
fn holds(code: &str, finds: &[&str], silent: &[&str], partials: &[(&str, &str)]) {
    let sandbox = Sandbox::empty();
    sandbox.write("promptctl.yaml", "models: { m: { provider: mock } }\n");
    for (path, text) in partials {
        sandbox.write(path, text);
    }
    let all: Vec<(String, &str, bool)> = finds
        .iter()
        .map(|said| (*said, true))
        .chain(silent.iter().map(|said| (*said, false)))
        .enumerate()
        .map(|(i, (said, wanted))| (format!("p{i:03}"), said, wanted))
        .collect();
    for (name, said, _) in &all {
        sandbox.write(&format!("prompts/{name}.j2"), template(said));
        sandbox.write(
            &format!("fixtures/{name}/cases.yaml"),
            format!("defaults: {{ vars: {{ {VALUES} }} }}\ncases: [{{ name: one, expect: [contains: a] }}]\n"),
        );
    }
    let ended = sandbox.run(&["lint", "--report", "json", "--rule", code]);
    assert!(matches!(ended.code, 0 | 1), "{}", ended.shown());
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("a list");
    let mut wrong = Vec::new();
    for (name, said, wanted) in &all {
        let path = format!("prompts/{name}.j2");
        let found: Vec<&str> = findings
            .iter()
            .filter(|finding| finding["code"] == code && finding["path"] == path)
            .filter_map(|finding| finding["message"].as_str())
            .collect();
        if found.is_empty() == *wanted {
            wrong.push(format!("{code} {found:?} of:\n{said}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn to_admit_that_the_documents_do_not_tell_can_be_said_in_many_ways() {
    let ask = |said: &str| -> String {
        format!(
            "{{{{ role(\"system\") }}}}\n{said}\n{{{{ role(\"user\") }}}}\n<context>\n{{{{ context }}}}\n</context>\n<question>{{{{ question }}}}</question>\n"
        )
    };
    let finds = [
        "Answer the question from the context.",
        "You are a friendly agent. Reply to the user with the help of the context, in two sentences.",
        "Réponds à la question en deux phrases.",
        "请回答问题。",
        "Beantworte die Frage in zwei Sätzen.",
        // What to take it from is not what to say where it is not there.
        "Answer the question using only the context.",
        "Beantworte die Frage ausschließlich anhand des Kontexts.",
        "请仅根据提供的资料回答问题。",
    ]
    .map(ask);
    let silent = [
        "Answer the question from the context. If none of them helps, reply with an empty list.",
        "Answer the question. If it is not there, escalate to a human.",
        "Answer the question. When the context lacks the answer, say so plainly.",
        "Answer the question. If the answer is missing from the context, output NOT_FOUND.",
        "Answer the question. Should the context be silent on it, admit that you don't have that information.",
        "Answer the question. Say \"I'm not sure\" where\nthe context is\nunclear.",
        "Answer the question, but never make facts up.",
        "Answer the question. Unless the context tells, forward the question to an agent.",
        "Réponds à la question uniquement à partir des documents. Si la réponse n'y figure pas, réponds « Je ne sais pas ».",
        "Réponds à la question. Si le contexte ne dit rien, dis-le.",
        "Responde a la pregunta. Si el contexto no contiene la respuesta, di que no lo sabes.",
        "Responde à pergunta. Se o contexto não tiver a resposta, diga isso.",
        "Rispondi alla domanda. Se il contesto non lo dice, dillo.",
        "Beantworte die Frage. Wenn der Kontext nichts dazu sagt, antworte: „Dazu habe ich keine Information.“",
        "Beantwoord de vraag. Als het er niet staat, zeg dat.",
        "Odpowiedz na pytanie. Jeśli nie ma odpowiedzi, napisz to.",
        "Ответь на вопрос. Если в тексте нет ответа, так и скажи.",
        "文書だけを使って質問に答えてください。文書に答えがない場合は「文書には記載がありません」と答えてください。",
        "请仅根据提供的资料回答问题。如果资料中没有答案，请回答“资料中未提及”。",
        "请回答问题。资料里找不到依据时，请客户拨打热线。",
        "질문에 답변하세요. 문서에 답이 없으면 모른다고 하세요.",
        "أجب عن السؤال. Answer the question. إذا لم تجد الجواب فقل ذلك.",
        "Summarise the context in three sentences; the reader has one <question>.",
        "Write five quiz questions on the context, each with its answer.",
        "Rate from 1 to 5 how well the answers to the question are supported.",
    ]
    .map(ask);
    holds("W33", &texts(&finds), &texts(&silent), &[]);
}

#[test]
fn what_holds_at_different_times_or_of_different_things_is_no_contradiction() {
    holds(
        "W11",
        &[
            "Be concise.\n\nBe as detailed as possible.",
            "# Style\n\nBe brief in your answers.\n\n# Rules\n\nAlways give a comprehensive answer.",
            "Rules:\n- Keep it short.\n- Be thorough.",
            "Always mention the price. Greet people.\nNever mention the price!",
            "Always use emojis. Do not use emojis.",
            "Return only JSON: {\"a\": \"b\"}. Explain your choice.",
            "Never use bullet points. Greet people. Answer as a bulleted list.",
            "{% include \"_short.j2\" %}\nBe comprehensive.",
            "{% if what %}Be concise.{% endif %}\n{% if plan %}Be thorough.{% endif %}",
            "Keep answers short.\nWrite detailed answers.",
            "Answer concisely.\nProvide comprehensive, in-depth answers.",
            "Reply with JSON only: {\"a\": \"b\"}.\nInclude a short explanation of your choice.",
            "Be concise and keep every answer under 50 words.\nAlways explain each step in detail and give a comprehensive answer.",
            "Keep your answers under 40 words. Be exhaustive.",
            "Answer in one sentence. Write a lengthy explanation.",
            "Respond in at most two sentences.\nBe as thorough as possible.",
            "Always respond in English. Name the price. Respond in German.",
            "Use a formal tone.\nUse a casual tone.",
            "Do not use emojis.\nUse emojis to be friendly.",
            "Explain your answer. Do not include any explanations.",
            "Be brief. Write at least 500 words.",
            "Answer in one word. Explain your reasoning step by step.",
            "Respond in plain text only. Format the answer as a Markdown table.",
            "Keep it short. Provide an in-depth, detailed answer.",
            "Only answer with yes or no. Give a detailed explanation.",
            "Be very concise. Be extremely detailed.",
            "Answer in exactly one sentence. Write three paragraphs.",
            "Return only JSON: {\"a\": \"b\"}. Also return a short explanation before the JSON.",
        ],
        &[
            "{% if plan == \"pro\" %}\nBe concise.\n{% else %}\nBe comprehensive.\n{% endif %}",
            "{% if plan == \"pro\" %}\nBe concise.\n{% endif %}\n{% if plan == \"free\" %}\nBe comprehensive.\n{% endif %}",
            "{% if plan == \"pro\" %}{% include \"_short.j2\" %}{% else %}\nBe comprehensive.\n{% endif %}",
            "{% for word in what %}Be concise.{% else %}Be thorough.{% endfor %}",
            "For simple questions, be concise. For legal questions, be comprehensive and name the paragraph.",
            "Be brief in greetings. Give a comprehensive answer to the question itself.",
            "Be concise. You don't need to be exhaustive.",
            "Keep answers short. Write detailed answers only when asked.",
            "Answer concisely. Give detailed explanations of formulas.",
            "Reply with JSON only: {\"a\": \"b\", \"explanation\": \"c\"}. Include a short explanation of your choice.",
            "Reply with JSON only: {\"a\": \"b\"}. Never include an explanation.",
            "Be concise but thorough.",
            "Answer in English. If the user writes German, answer in German.",
            "Answer in English or French. Answer in German or English.",
            "{% if plan == \"de\" %}Answer in German.{% else %}Answer in English.{% endif %}",
            "Use a formal tone in letters. Use a casual tone in chats.",
            "Do not use emojis in the subject. Use emojis in the text.",
            "Explain your answer. Never include an explanation of the formula.",
            "Keep the title under 10 words. Give a comprehensive answer.",
            "Answer in at most 500 words. Be thorough.",
            "Keep each step under 20 words. Be comprehensive.",
            "## Summary\nBe concise.\n\n## Report\nBe comprehensive.",
            "Greeting: be brief.\nBody: be comprehensive.",
            "Always ask for the order number. Never ask for the order number twice.",
            "Always include the name. Never include the name of the manager.",
            "Always answer in the language of the user. Never answer in the language of the document.",
            "Do not use lists of more than five items. Answer as a bulleted list.",
            "Do not use bullet points in the summary. List the actions as bullet points below it.",
            "Do not use bullet points. Format the answer with Markdown.",
            "Return only JSON: {\"a\": \"b\"}. Explain your reasoning in the field `why`.",
            "Return only JSON: {\"reason\": \"b\"}. Explain your choice.",
            "Describe the picture. Return only JSON: {\"text\": \"b\"}.",
            "First think step by step and explain your reasoning in <thinking> tags. Then reply only with JSON inside <answer> tags: {\"verdict\": \"yes\"}.",
            "Always mention the price.\n<example>\nNever mention the price.\n</example>",
        ],
        &[("prompts/_short.j2", "Be concise.\n")],
    );
}

#[test]
fn the_same_sentence_in_branches_that_exclude_each_other_is_sent_once() {
    holds(
        "W06",
        &[
            "Answer in two sentences only.\n- Answer in two sentences only.\nYes. Answer in two sentences only.",
            "{% if plan == \"pro\" %}Answer in two sentences only. Hello.{% endif %}\nAnswer in two sentences only.\n\nAnswer in two sentences only.",
        ],
        &[
            "{% if what == \"x\" %}\nAnswer in two sentences only.\n{% elif what == \"y\" %}\nAnswer in two sentences only.\nGreet.\n{% else %}\nAnswer in two sentences only.\nThank.\n{% endif %}",
            "{% if what == \"x\" %}Answer in two sentences only.{% endif %}\n{% if what == \"y\" %}Answer in two sentences only.{% endif %}\n{% if what == \"z\" %}Answer in two sentences only.{% endif %}",
        ],
        &[],
    );
}

#[test]
fn json_that_comes_in_or_is_refused_is_not_asked_for() {
    holds(
        "W03",
        &[
            "Reply in JSON.",
            "Return the people and their ages as valid JSON.",
            "Only output JSON.",
            "The response must be a valid JSON object.",
            "Return a JSON object with the fields name and age.",
            "Do not return anything other than JSON.",
            "You read the JSON output of a tool. Answer with a JSON list.",
            "Turn the text into JSON.",
        ],
        &[
            "You read JSON output of a tool. Explain it in one sentence.",
            "The user pastes a JSON response of our API. Say what is wrong with it.",
            "Convert the JSON object below to YAML.",
            "Do not write JSON.",
            "Answer in prose, never with JSON.",
            "Answer in Markdown instead of JSON.",
            "You review JSON files. Say in plain sentences whether the JSON document is valid.",
            "Return a JSON object with the keys `name` (string) and `age` (integer, or null).",
            "Return a JSON array of strings.",
            "Reply with JSON that has these keys:\n- name: the full name\n- age: a number",
            "Reply with JSON: { name: string; age: number }",
            "Reply with JSON of this type:\n\ntype Answer = {\n  title: string;\n  score: number;\n};",
            "Reply with JSON only that fits this model:\n```python\nclass Recipe(BaseModel):\n    title: str\n    minutes: int\n```",
            "Answer with JSON only. It has two members: \"verdict\", which is yes or no, and \"why\", one sentence.",
        ],
        &[],
    );
}

#[test]
fn names_with_an_underscore_are_not_all_tools() {
    let front = "---\ntools: [{ name: lookup, parameters: { type: object, properties: { order_ref: { type: string } } } }]\noutput: { schema: { type: object, properties: { reply_text: { type: string } } } }\n---\n{{ role(\"system\") }}\n";
    let make = |said: &&str| format!("{front}{said}\n{{{{ role(\"user\") }}}}\n<text>{{{{ text }}}}</text>\n");
    let finds: Vec<String> = [
        "Use search_web for prices.",
        "Call find_order first.",
        "Use the get_price tool.",
        "You have access to the tools lookup, find_order and lookup.",
        "These tools are there:\n- lookup: finds an order\n- cancel_order: cancels it",
        "Use the calculator tool for sums.",
    ]
    .iter()
    .map(make)
    .collect();
    let silent: Vec<String> = [
        "Call `lookup` with order_ref as soon as the customer names it.",
        "Answer with order_id and status in one line.",
        "Use snake_case for keys. Use order_ref from the message.",
        "Use customer_name in the greeting, and reply_text for what you say.",
        "You have tools to update order_status and order_id.",
        "Use the lookup tool. Use the right tool for each question.",
        "These tools are there:\n- lookup: finds an order\n\nName these fields:\n- order_status: what became of it",
    ]
    .iter()
    .map(make)
    .collect();
    holds("W18", &texts(&finds), &texts(&silent), &[]);
    // Where nothing is offered at all, the word tool tells.
    holds(
        "W18",
        &[
            "Use the `lookup_customer` function to find people.",
            "You have access to the tools get_order and cancel_order.",
            "If you need the weather, use the tool get_weather.",
            "Call the function findUser first.",
            "Use the search tool before you answer.",
        ],
        &[
            "Write Python code. Use the `sort_rows` function of the module.",
            "Use the same tool as before, a hammer or another tool.",
            "Reply with order_id and status.",
        ],
        &[],
    );
    let finds: Vec<String> =
        ["Reply with the keys queue and urgent.", "Your answer must have the fields id and total."]
            .iter()
            .map(make)
            .collect();
    let silent: Vec<String> = [
        "An order has the fields id, total and status. Explain them.",
        "The tool returns an object with the keys id and total; put them into words.",
        "Call `lookup` with the fields id and total.",
        "Reply with the key reply_text.",
    ]
    .iter()
    .map(make)
    .collect();
    holds("W19", &texts(&finds), &texts(&silent), &[]);
}

#[test]
fn the_word_todo_is_not_always_a_mark() {
    holds(
        "W14",
        &[
            "TODO: write the rules.",
            "Answer kindly. TODO: name the limits.",
            "Answer kindly TODO(ann): name the limits.",
            "- FIXME add more rules",
            "[TODO]",
            "{# TODO ask the lawyers #}Answer.",
            "{# XXX #}Answer.",
            "{# this is a temporary fix #}Answer.",
            "{# workaround for the small model #}Answer.",
            "{# temporary: remove in May #}Answer.",
            "{# remove this once the new model is live #}Answer.",
        ],
        &[
            "Revisa TODO el texto y corrige las faltas de ortografía.",
            "TODO el texto debe estar en español.",
            "Responda a TODO o cliente.",
            "Clasifica el comentario. Si dudas, elige revisar los que no entiendes para decidir.\n- TODO comentario con datos personales se bloquea.",
            "List the TODO, FIXME and HACK comments in the source file, one per line.",
            "Look for these words:\n- TODO\n- FIXME",
            "List every comment that begins with `TODO:` or `FIXME:`.",
            "TODO comments are to be listed.",
            "{# temporary directory name is made by the app #}Answer.",
            "{# the customer may ask for a workaround #}Answer.",
            "{# lists TODO comments #}Answer.",
        ],
        &[],
    );
}

#[test]
fn dates_of_what_was_stay_right() {
    holds(
        "W10",
        &[
            "Today is 2025-11-03.",
            "Prices are valid until March 31, 2026.",
            "Your knowledge cutoff is June 2024.",
            "The year is 2025.",
            "The sale ends on 3 March 2026.",
            "Today is 15.03.2026.",
            "Today is 03/15/2026.",
            "Heute ist der 15. März 2026.",
            "You help with taxes for the tax year 2026.",
            "Prices were last changed on 2026-03-01.",
            "Our policy of 12 March 2026 says that returns are free.",
            "Nous sommes aujourd'hui le 3 mars 2026.",
            "Hoy es 3 de marzo de 2026.",
            "Prices are valid until March 2026.",
            "The prices from Q3 2025 apply.",
            "Since the new law of 1 January 2025, refunds take 14 days.",
            "Last updated: January 2025.",
        ],
        &[
            "The quiz covers 1789-07-14 (storming of the Bastille) to November 9, 1989 (fall of the Berlin Wall).",
            "The GDPR applies since May 25, 2018.",
            "The contract was signed on March 3, 2019.",
            "Die Mauer fiel am 9. November 1989.",
            "In May 2025 the two teams met in a final.",
            "It was so until 1996, and since 1998 it is not.",
            "The law of 3 May 1996 applies.",
            "The first world war ended on 11.11.1918.",
            "Version 1.2.2024 of the form is out of scope.",
            "The tax year 1996 is out of scope.",
            "The Act on Copyright as of 1965 is out of scope.",
            "Dates are written as in 2024-01-31.",
            "Write \"3 March 2021\" → 2021-03-03.",
            "Give dates back like `2026-01-31`.",
        ],
        &[],
    );
}

#[test]
fn capitals_of_a_language_and_of_lists_stress_nothing() {
    holds(
        "W05",
        &[
            "You MUST answer. NEVER guess. ALWAYS greet.",
            "IMPORTANT: NEVER guess. It is CRITICAL that you do NOT lie.",
            "Answer, but NOT long. ONLY facts. VERY kind.",
            "PLEASE READ THIS CAREFULLY AND FOLLOW ALL THE RULES BELOW WITHOUT FAIL.",
            "ONLY EVER RETURN CODE IN A BLOCK!",
            "PLEASE be kind. REALLY be kind. Be SERIOUSLY kind.",
            "BITTE LESEN SIE ALLE REGELN UND HALTEN SIE DIE REGELN EIN!",
        ],
        &[
            "Allowed statements are SELECT and WITH. Columns are NOT NULL unless said otherwise; UNIQUE and NOT NULL columns come first. EXISTS, NOT IN and NOT EXISTS are allowed.",
            "Reply with one of CRITICAL, WARNING, ERROR, INFO or `IMPORTANT`; after it the reason.",
            "RULES FOR THE ANSWER TO THE USER\nBe kind.",
            "# THIS IS THE FORM OF THE ANSWER\nBe kind.",
            "Use HTTP and JSON with the API from NASA, not SOAP or XML or WSDL or SQL.",
            "The keywords are INSERT, UPDATE, DELETE, DROP, ALTER, CREATE.",
            "Say \"THIS IS THE END OF ALL THE RULES.\" when you are done.",
        ],
        &[],
    );
}

#[test]
fn comments_for_people_are_no_instructions_that_were_taken_out() {
    holds(
        "W25",
        &[
            "{# Never talk about prices to anybody. #}Answer.",
            "{# {{ what }} #}Answer.",
            "{# Answer in French. #}Answer.",
            "{# Be brief! #}Answer.",
            "{# {% if what %}Be kind.{% endif %} #}Answer.",
            "Answer.\n<!-- Never talk about prices to anybody. -->",
            "Answer. <!-- TODO: prices -->",
        ],
        &[
            "{# Always keep this block first: the cache needs a stable beginning. #}Answer.",
            "{# Use {{ role }} macros here? No: role() is a function. #}Answer.",
            "{# {% if comment %} #}Answer.",
            "{# Output format #}Answer.",
            "{# Answers of the desk. #}Answer.",
            "{# Do not rename: the tests look for it. #}Answer.",
            "{# Usage:\n   {{ show(what) }}\n#}Answer.",
            "You write HTML. Wrap each part in comments such as <!-- header --> and <!-- footer -->.",
            "<!-- rules -->\nBe kind.\n<!-- end -->",
        ],
        &[],
    );
}

#[test]
fn what_documentation_writes_for_a_key_is_none() {
    let letters = "QwErTyUiOpAsDfGhJkLzXcVbNm1234567890qazw";
    let finds = [
        format!("Key: sk-{letters}"),
        format!("The password is {}.", &letters[14..34]),
        format!("api_key = \"{letters}\""),
        format!("DB_PASSWORD={}", &letters[4..30]),
        format!("secret: {}", "0a1b2c3d4e5f6789".repeat(2)),
        format!("xoxb-{letters}"),
        format!("Token: ghp_{}", "Ab1".repeat(12)),
        format!("Keys: sk-{letters} AKIA{}", "ABCDEFGHIJKLMNOP"),
        format!("-----BEGIN {}KEY-----\n{letters}{letters}\n", "PRIVATE "),
        format!("postgres://ann:{}@db.internal/x", "hunter22"),
    ];
    let silent = [
        format!("Key: sk-{}", "x".repeat(40)),
        "The words -----BEGIN PRIVATE KEY----- are how a key starts. ".to_owned(),
        "password: correct-horse-battery-staple, api_key = YOUR_API_KEY_GOES_HERE1a, secret: os.environ.get_secret_Value1".to_owned(),
        "The password is case-sensitive and has 12 to 64 letters; token_secret is a column.".to_owned(),
        "AKIAIOSFODNN7EXAMPLE, sk-your-key-goes-here-and-is-long-enough, ghp_your_token_here".to_owned(),
        "postgres://user:password@localhost/db and https://me:pa55word@example.org/x".to_owned(),
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
            .to_owned(),
    ];
    holds("E02", &texts(&finds), &texts(&silent), &[]);
}

#[test]
fn numbers_are_made_up_where_somebody_set_them_aside() {
    holds(
        "W31",
        &["Call +49 1555 0123 456.", "Call 0155 501 2345.", "Write to joe.miller@gmx.de.", "Call (415) 555-2671."],
        &[
            "Call +1 202-555-0143 or (415) 555-0199.",
            "Call 020 7946 0123, +44 7700 900123 or 030 23125 123.",
            "Our hotline is 0800 123 4567, from abroad +49 800 1234567; in America 1-800-356-9377.",
            "Clone git@github.com:org/repo.git.",
            "Mails come from noreply@ourshop.de and support@ourshop.de.",
        ],
        &[],
    );
}

#[test]
fn examples_are_counted_whatever_their_form() {
    let nine = |line: fn(usize) -> String| (0..9).map(line).collect::<Vec<_>>().join("\n");
    let finds = [
        format!(
            "<examples>\n{}\n</examples>",
            nine(|i| format!("<example><mail>Mail {i} is here</mail><label>bill</label></example>"))
        ),
        nine(|i| format!("Ticket: mail {i} is here\nQueue: bill\n")),
        nine(|i| format!("\"Mail {i} is here\" -> bill")),
        format!("| Text | Label |\n|---|---|\n{}", nine(|i| format!("| Mail {i} is here | bill |"))),
        nine(|i| format!("Q: mail {i}\nA: bill\n")),
        nine(|i| format!("- Input: mail {i}\n  Output: bill")),
        format!(
            "{{{{ role(\"system\") }}}}\nSort.\n{}{{{{ role(\"user\") }}}}\n{{{{ text }}}}\n",
            nine(|i| format!("{{{{ role(\"user\") }}}}\nmail {i}\n{{{{ role(\"assistant\") }}}}\nbill\n"))
        ),
        "{% include \"_shots.j2\" %}".to_owned(),
    ];
    let shots = nine(|i| format!("Text: mail {i}\nLabel: bill\n"));
    let silent = [
        nine(|i| format!("Rule {i}: be kind.")),
        nine(|i| format!("Goal: make number {i}\nSteps: do the thing {i}, then the next thing {i}, and so on\n")),
        format!("| Plan | Price |\n|---|---|\n{}", nine(|i| format!("| Plan {i} | {i} |"))),
        nine(|i| format!("bill{i} -> queue{i}")),
        "{% for e in what %}<example>{{ e }}</example>{% endfor %}".to_owned(),
        "Text: {{ text }}\nLabel:".to_owned(),
    ];
    let finds: Vec<&str> = finds.iter().map(String::as_str).collect();
    let silent: Vec<&str> = silent.iter().map(String::as_str).collect();
    let partials = [("prompts/_shots.j2", shots.as_str())];
    holds("I17", &finds, &silent, &partials);
    holds("I09", &finds, &silent, &partials);
}

#[test]
fn an_example_that_is_a_case_is_found_in_every_form() {
    holds(
        "E10",
        &[
            "# Examples\n\nText: My parcel has not come yet\nLabel: delivery",
            "<examples>\n<example><ticket>My parcel has not come yet.</ticket><label>delivery</label></example>\n</examples>",
            "For example, \"My parcel has not come yet\" is delivery.",
            "Ticket: my parcel has not come yet!\nQueue: delivery\n\nTicket: where is it\nQueue: delivery",
            "# Examples\n| Text | Label |\n|---|---|\n| My parcel has not come yet | delivery |",
            "# Examples\nMy parcel has not come yet -> delivery",
            "{{ role(\"user\") }}\nMy parcel has not come yet\n{{ role(\"assistant\") }}\ndelivery\n{{ role(\"user\") }}\n{{ text }}\n",
        ],
        &[
            "# Examples\n\nText: My parcel has not come yet, and my mother is waiting\nLabel: delivery",
            "Say that you are sorry if my parcel has not come yet.",
            "Ask: did you look at your mail?",
        ],
        &[],
    );
}

#[test]
fn examples_of_answers_are_told_from_other_json() {
    let front = "---\noutput: { schema: { type: object, properties: { a: { type: integer } }, required: [a], additionalProperties: false } }\n---\n{{ role(\"system\") }}\n";
    let make = |said: &&str| format!("{front}{said}\n{{{{ role(\"user\") }}}}\n<text>{{{{ text }}}}</text>\n");
    let finds: Vec<String> = [
        "Output:\n```json\n{\"a\": \"x\"}\n```",
        "# Examples\n\nOutput: {\"a\": \"text\"}",
        "Example:\n```json\n{\"a\": \"text\"}\n```",
        "# Examples\n```json\n{\"a\": \"text\"}\n```",
        "<example>{\"a\": \"text\"}</example>",
        "Return:\n```json\n{\"a\": 1}\n```\nor\n```json\n{\"a\": \"text\"}\n```",
        "If the ticket is empty, return {\"a\": null}.",
        "Return the record as JSON:\n{\n  \"a\": \"text\"\n}",
        "# Examples\n{\"input\": \"hello\", \"output\": {\"a\": \"text\"}}",
        "For the message above, answer:\n{\"b\": 1}",
    ]
    .iter()
    .map(make)
    .collect();
    let silent: Vec<String> = [
        "Return the number of the ticket in the input below, which looks like this:\n```json\n{\"a\": \"text\"}\n```",
        "A wrong answer is\n```json\n{\"a\": \"text\"}\n```",
        "Never return {\"a\": \"text\"}.",
        "When the tool returns {\"error\": \"x\"}, say so in `a`.",
        "# Examples\nInput: {\"id\": \"x\"}\nOutput: {\"a\": 1}",
        "Return:\n{\"a\": \"<integer>\"}",
        "Answer in this form: {\"a\": \"integer, 0 where there is none\"}",
        "Respond with JSON that matches this schema:\n{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}}}",
        "Example of a ticket:\n```json\n{\"id\": 1, \"body\": \"hello\"}\n```",
        "Output: {\"a\": {{ text }}, \"b\": {\"a\": \"x\"}}",
    ]
    .iter()
    .map(make)
    .collect();
    holds("E09", &texts(&finds), &texts(&silent), &[]);
}

#[test]
fn what_users_write_is_followed_into_the_system_message() {
    let tail = "{{ role(\"user\") }}\nGo.\n";
    let make =
        |said: &&str| format!("---\nvars: {{ user_input: {{ type: string, trusted: false }} }}\n---\n{said}\n{tail}");
    let finds: Vec<String> = [
        "{{ role(\"system\") }}\nA {{ user_input }} b",
        "{{ role(\"developer\") }}\nA {{ user_input | trim }} b",
        "{{ role(\"system\") }}\n{% include \"_u.j2\" %}",
        "{{ role(\"system\") }}\n{% include \"_uu.j2\" %}",
        "{% set u = user_input %}{{ role(\"system\") }}\nA {{ u }} b",
        "{{ role(\"system\") }}\n{% for l in user_input.splitlines() %}{{ l }}{% endfor %}",
        "{% for r in [\"system\"] %}{{ role(r) }}\nA {{ user_input }} b\n{% endfor %}",
        "{% from \"_m.j2\" import show %}{{ role(\"system\") }}\nA {{ show(user_input) }} b",
        "{{ role(\"system\") }}\n{% filter upper %}{{ user_input }}{% endfilter %}",
        "{{ role(\"system\") }}\n{% if user_input == \"never\" %}{{ user_input }}{% endif %}",
    ]
    .iter()
    .map(make)
    .collect();
    let silent: Vec<String> = [
        "{{ role(\"system\") }}\nThe question has {{ user_input | length }} characters.",
        "{{ role(\"system\") }}\n{{ \"Be brief.\" if user_input else \"Ask.\" }}",
        "{{ role(\"system\") }}\n{% if user_input %}Be brief.{% endif %}",
        "{{ role(\"system\") }}\nBe brief: {{ user_input == \"x\" }}",
        "{{ role(\"system\") }}\nBe brief.\n{{ role(\"user\") }}\n{% include \"_u.j2\" %}",
        "{% set u = user_input %}{{ role(\"system\") }}\nBe brief.\n{{ role(\"user\") }}\n{{ u }}",
    ]
    .iter()
    .map(make)
    .collect();
    holds(
        "W22",
        &texts(&finds),
        &texts(&silent),
        &[
            ("prompts/_u.j2", "The user said {{ user_input }}.\n"),
            ("prompts/_uu.j2", "{% include \"_u.j2\" %}\n"),
            ("prompts/_m.j2", "{% macro show(v) %}<v>{{ v }}</v>{% endmacro %}\n"),
        ],
    );
}

#[test]
fn gaps_of_other_languages_and_of_several_styles_are_plain_text() {
    holds(
        "W02",
        &["Dear ${text}, hello.", "Dear %(text)s, hello.", "Dear [NAME], here is {thing} for you.", "Dear {text}."],
        &[
            "Run `echo ${text}` first.",
            "```sh\necho ${text}\n```",
            "Dear ${name} and %(name)s.",
            "Dear [NAME], here is the thing for you.",
            "Answer with {thing} for you.",
            "Choose [YES] or [NO].\nAnswer as {choice}.",
            "[BEGIN DATA]\nThe set {thing} is in it.\n[END DATA]",
            "Placeholders such as [NAME] and {thing} are to be kept.",
            "See [THE LAW](https://example.org) and {thing} for more of it.",
            "{% raw %}Dear ${text}, %(text)s.{% endraw %}",
        ],
        &[],
    );
}

#[test]
fn models_and_their_makers_are_known_by_name() {
    holds(
        "I07",
        &[
            "You are o3-mini.",
            "You are Qwen2.5-72B.",
            "You are DeepSeek-R1.",
            "Answer as Grok 4 would.",
            "You were made by OpenAI.",
            "You are a large language model trained by Google.",
            "Use the Anthropic style.",
            "Du wurdest von Mistral entwickelt.",
            "You are Claude.",
            "You are Gemini, a helpful AI.",
        ],
        &[
            "You are Claude, a waiter.",
            "The o3 layer protects from ozone loss.",
            "To grok 4 ideas takes an hour.",
            "The user asks about shares of Google, Microsoft and OpenAI.",
            "Angular is a framework made by Google.",
            "Phi-lology and qwerty are words.",
        ],
        &[],
    );
}

#[test]
fn versions_of_products_are_no_versions_of_standards() {
    holds(
        "I22",
        &[
            "You answer for app version 2.3.1.",
            "Call the API v2 for that.",
            "Use Python 3.11.",
            "The current version is v4.2.",
            "It runs on Windows 11.",
        ],
        &[
            "Use HTTP/1.1, TLS 1.2, OAuth 2.0 and CC BY 4.0.",
            "There is no version 0.",
            "Write it in Python.",
            "Go 2 steps back, and react 3 times.",
            "Write versions in the format 1.2.3, such as version 2.0.1.",
            "Round 3.5 up to 4.",
        ],
        &[],
    );
}

#[test]
fn an_instruction_in_three_prompts_is_copied() {
    let sandbox = Sandbox::empty();
    sandbox.write("promptctl.yaml", "models: { m: { provider: mock } }\n");
    let tone = "Always answer the customer in a warm friendly and helpful tone of voice at all times";
    let all = [
        format!("{tone}.\nGreet.\n"),
        format!("Sort it. {}.\n", tone.replace("times", "time")),
        format!("- {}!\n", tone.replace("warm", "warm,")),
    ];
    for (name, text) in ["a", "b", "c"].iter().zip(&all) {
        sandbox.write(&format!("prompts/{name}.j2"), text);
    }
    let only = ["lint", "--rule", "I21"];
    says(
        &sandbox.run(&only),
        0,
        &["this instruction also stands (nearly so) in `prompts/b.j2`, `prompts/c.j2`", "prompts/b.j2:1:10", "3 infos"],
    );
    // Several are told together; two prompts are few, and so are few words.
    for name in ["a", "b", "c"] {
        let path = format!("prompts/{name}.j2");
        let more = "Never promise a refund that the policy excludes.\n\nBe kind to them.\n";
        sandbox.write(&path, format!("{}\n{name} is it.\n\n{more}", sandbox.read(&path)));
    }
    says(&sandbox.run(&only), 0, &["2 instructions (lines 1, 6) also stand (nearly so) in", "3 infos"]);
    std::fs::remove_file(sandbox.path("prompts/c.j2")).expect("removed");
    says(&sandbox.run(&only), 0, &["nothing found"]);
    // A block of lines that is told as one is not told again.
    let block = "Be kind to everybody who ever writes to us here.\nNever promise what is not in the policy of us.\nAnswer in two sentences at the very most, please.\n";
    for name in ["a", "b", "c"] {
        sandbox.write(&format!("prompts/{name}.j2"), block);
    }
    says(&sandbox.run(&only), 0, &["nothing found"]);
    says(&sandbox.run(&["lint", "--rule", "I19"]), 0, &["3 infos"]);
}

#[test]
fn three_lines_that_say_something_are_a_block() {
    let found = |block: &str, code: i32| {
        let sandbox = Sandbox::empty();
        sandbox.write("promptctl.yaml", "models: { m: { provider: mock } }\n");
        sandbox.write("prompts/a.j2", format!("{block}{{{{ text }}}}\n"));
        sandbox.write("prompts/b.j2", format!("Sort it.\n{block}"));
        let ended = sandbox.run(&["lint", "--rule", "I19", "--fail-on", "info"]);
        assert_eq!(ended.code, code, "{block}\n{}", ended.shown());
    };
    found("Be kind to all of them.\nDo not promise too much.\nAnswer in two sentences.\n", 1);
    found("Be kind.\nBe brief.\nBe good.\n", 0);
    found("## What to do then\n- \n1.\n</a>\n## How to do it\n", 0);
    found("<input>\n</input>\n<output>\n</output>\n", 0);
    found("Be kind to all of them.\nDo not promise too much.\n", 0);
}

#[test]
fn many_prompts_with_much_in_common_are_held_against_each_other_in_time() {
    let sandbox = Sandbox::empty();
    sandbox.write("promptctl.yaml", "models: { m: { provider: mock } }\n");
    for i in 0..400 {
        let rules: String = (0..20)
            .map(|j| format!("Rule {} of all of them: handle topic {j} with care and name each step.\n\n", i * 20 + j))
            .collect();
        sandbox.write(&format!("prompts/p{i}.j2"), rules);
    }
    let begun = std::time::Instant::now();
    says(&sandbox.run(&["lint", "--rule", "I21"]), 0, &["in 400 prompts"]);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}
