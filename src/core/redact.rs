//! Secrets: the values that this process knows, and shapes that look like keys. Both are kept out of every sink.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

/// The values that must never be written or printed, each with the name that stands in for it.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Vec<(String, String)>);

/// Whether a value can be a secret. A word (`ollama`, `unknown`), as people write it where a server wants any key at all,
/// would be taken out of every answer.
fn is_secret(value: &str) -> bool {
    let is_word = value.chars().all(char::is_alphabetic);
    value.len() >= if is_word { 16 } else { 8 }
}

impl Secrets {
    /// Adds a secret and the forms in which it may come back: JSON-escaped, URL-encoded and base64.
    pub fn add(&mut self, name: &str, value: &str) {
        if !is_secret(value) {
            return;
        }
        let placeholder = format!("[redacted:{name}]");
        let json = serde_json::to_string(value).unwrap_or_default();
        let forms = [value.to_owned(), json.trim_matches('"').to_owned(), url_encoded(value), base64(value.as_bytes())];
        for form in forms {
            if !self.0.iter().any(|(known, _)| *known == form) {
                self.0.push((form, placeholder.clone()));
            }
        }
        // The longest first, so that a secret which contains another is replaced whole.
        self.0.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
    }

    /// The text with every known secret replaced by `[redacted:NAME]`.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for (form, placeholder) in &self.0 {
            if text.contains(form.as_str()) {
                text = Cow::Owned(text.replace(form.as_str(), placeholder));
            }
        }
        text
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        for secret in &others.0 {
            if !self.0.contains(secret) {
                self.0.push(secret.clone());
            }
        }
        self.0.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
        self
    }

    /// The text for a person to read: without any known secret, and without anything that has the shape of a key.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut text = self.redact(text).into_owned();
        while let Some((_, range)) = key_shape(&text) {
            text.replace_range(range, "[redacted]");
        }
        text
    }

    /// Whether the text holds a known secret.
    #[must_use]
    pub fn found_in(&self, text: &str) -> bool {
        self.0.iter().any(|(form, _)| text.contains(form.as_str()))
    }
}

fn url_encoded(value: &str) -> String {
    value
        .bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // Without the last, partial group: what stands there depends on what follows the secret.
    bytes
        .chunks_exact(3)
        .flat_map(|c| {
            let n = u32::from(c[0]) << 16 | u32::from(c[1]) << 8 | u32::from(c[2]);
            [n >> 18, n >> 12, n >> 6, n].map(|i| char::from(ALPHABET[(i & 63) as usize]))
        })
        .collect()
}

/// Shapes that keys of well-known services have: what it is, and the expression.
const FORMS: [(&str, &str); 27] = [
    ("an Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    ("an OpenAI key", r"\bsk-(?:proj-|svcacct-|or-v1-)?[A-Za-z0-9_-]{20,}"),
    ("a Google key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("a Groq key", r"\bgsk_[A-Za-z0-9]{30,}"),
    ("an xAI key", r"\bxai-[A-Za-z0-9]{30,}"),
    ("a Perplexity key", r"\bpplx-[A-Za-z0-9]{40,}"),
    ("a Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}"),
    ("a Replicate token", r"\br8_[A-Za-z0-9]{37}\b"),
    ("a Slack token", r"\bx(?:ox[abeoprs]|app)-[A-Za-z0-9-]{20,}"),
    ("an address of a Slack hook", r"\bhooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{30,}"),
    ("a Stripe key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{20,}"),
    ("a SendGrid key", r"\bSG\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{40,}"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("a PyPI token", r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}"),
    ("a GitLab token", r"\bgl(?:pat|dt|rt|ptt|oas)-[A-Za-z0-9_-]{20,}"),
    ("a DigitalOcean token", r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    ("a Tailscale key", r"\btskey-[a-z]+-[A-Za-z0-9]{8,}-[A-Za-z0-9]{20,}"),
    ("a Telegram token", r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    ("a Google secret", r"\b(?:GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{40,})"),
    ("an Azure key", r"\bAccountKey=[A-Za-z0-9+/]{80,}={0,2}"),
    ("an AWS secret key", r"(?i)\baws_?secret_?access_?key\W{1,5}[A-Za-z0-9/+]{40}\b"),
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})"),
    ("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("a private key", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    ("a JSON web token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ("an authorization header", r"(?i)\bauthorization\b\W{1,4}(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{16,}"),
    ("a password in an address", r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/:@]{4,}@[^\s/]+"),
];

/// The same, ready to be looked for.
static SHAPES: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    // The expressions are constants, and a test compiles every one of them.
    FORMS.into_iter().filter_map(|(what, pattern)| Some((what, Regex::new(pattern).ok()?))).collect()
});

/// All of them at once: most texts hold none.
static ANY_SHAPE: LazyLock<RegexSet> =
    LazyLock::new(|| RegexSet::new(FORMS.map(|(_, pattern)| pattern)).unwrap_or_else(|_| RegexSet::empty()));

/// The shapes that a text holds.
fn shapes_in(text: &str) -> impl Iterator<Item = &'static (&'static str, Regex)> {
    ANY_SHAPE.matches(text).into_iter().filter_map(|index| SHAPES.get(index))
}

/// What kind of key the text seems to hold, and where (in bytes).
#[must_use]
pub fn key_shape(text: &str) -> Option<(&'static str, std::ops::Range<usize>)> {
    shapes_in(text).find_map(|(what, shape)| shape.find(text).map(|found| (*what, found.range())))
}

/// Everything in a text that seems to be a key, in its order, what overlaps told once.
#[must_use]
pub fn key_shapes(text: &str) -> Vec<(&'static str, std::ops::Range<usize>)> {
    let mut all: Vec<(&'static str, std::ops::Range<usize>)> = Vec::new();
    for (what, shape) in shapes_in(text) {
        all.extend(shape.find_iter(text).map(|found| (*what, found.range())));
    }
    // Of two that overlap the first of the list says more.
    all.sort_by_key(|(_, range)| range.start);
    let mut end = 0;
    all.retain(|(_, range)| {
        let is_free = range.start >= end;
        end = if is_free { range.end } else { end };
        is_free
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_secret_is_replaced() {
        let mut secrets = Secrets::default();
        secrets.add("OPENAI_API_KEY", "sk-\"very/secret\"+key=1");
        let encoded = base64(b"sk-\"very/secret\"+key=1");
        for text in [
            "key: sk-\"very/secret\"+key=1.".to_owned(),
            r#"{"key": "sk-\"very/secret\"+key=1"}"#.to_owned(),
            "?key=sk-%22very%2Fsecret%22%2Bkey%3D1&x".to_owned(),
            format!("Basic {encoded}=="),
        ] {
            let redacted = secrets.redact(&text);
            assert!(redacted.contains("[redacted:OPENAI_API_KEY]"), "{text} -> {redacted}");
            assert!(!secrets.found_in(&redacted), "{redacted}");
        }
    }

    #[test]
    fn shapes_of_keys_are_known_and_words_are_not() {
        assert_eq!((SHAPES.len(), ANY_SHAPE.len()), (FORMS.len(), FORMS.len()), "every expression compiles");
        // Put together here, so that no scanner takes this file for a leak.
        let tail = "abcdefghijklmnopqrstuvwxyz0123456789ABCD";
        for head in ["sk-", "sk-ant-", "sk-proj-", "gsk_", "xai-", "ghp_", "github_pat_"] {
            assert!(key_shape(&format!("see {head}{tail} there")).is_some(), "{head}");
        }
        for head in
            ["pplx-", "hf_", "r8_", "xoxb-", "hooks.slack.com/services/", "sk_live_", "rk_test_", "glpat-", "GOCSPX-"]
        {
            let length = if head == "r8_" { 37 } else { 40 };
            assert!(key_shape(&format!("see {head}{} there", &tail[..length])).is_some(), "{head}");
        }
        for (head, between) in [("SG.", "."), ("tskey-auth-", "-")] {
            assert!(key_shape(&format!("{head}{}{between}{tail}ABCDEFGH", &tail[..22])).is_some(), "{head}");
        }
        let hex = "0123456789abcdef".repeat(4);
        for key in [
            format!("npm_{}", &tail[..36]),
            format!("pypi-AgEIcHlwaS5vcmc{tail}{tail}"),
            format!("dop_v1_{hex}"),
            format!("123456789:AA{}", &tail[..33]),
            format!("ya29.{tail}"),
            format!("AccountKey={tail}{tail}{tail}=="),
            format!("AWS_SECRET_ACCESS_KEY = {tail}"),
            "redis://:hunter22@cache.example.org".to_owned(),
        ] {
            assert!(key_shape(&key).is_some(), "{key}");
        }
        assert!(key_shape(&format!("AIza{}", &tail[..35])).is_some());
        assert!(key_shape("https://user:hunter22@example.org/x").is_some());
        for text in
            ["the task-force met", "ask-me-anything-about-the-new-tool", "basic training", "https://example.org:80/"]
        {
            assert_eq!(key_shape(text), None, "{text}");
        }
        let text = format!("AKIA{} and sk-ant-{tail}, gsk_{tail}", "ABCDEFGHIJKLMNOP");
        let all: Vec<&str> = key_shapes(&text).into_iter().map(|(what, _)| what).collect();
        assert_eq!(all, ["an AWS access key", "an Anthropic key", "a Groq key"], "in their order, and each once");
    }
}
