//! The prices of well-known models, as they were on the day that each row names. A model entry's own `price` goes
//! over them.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::core::price::{Price, Tier};

/// A row of the table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KnownPrice {
    /// The vendor's id of the model.
    pub id: String,
    /// Who serves it.
    pub vendor: String,
    input: f64,
    cached_input: Option<f64>,
    cache_write: Option<f64>,
    output: f64,
    reasoning: Option<f64>,
    #[serde(default)]
    tiers: Vec<Tier>,
    /// The most tokens that it reads, where the source says.
    pub context: Option<u64>,
    /// The most tokens that it writes, where the source says.
    pub max_output: Option<u64>,
    /// The day that the source speaks for.
    pub as_of: String,
    /// Where the figures are from.
    pub source: String,
    /// The day on which the vendor ends it, where that is known.
    pub retires: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    as_of: String,
    models: Vec<KnownPrice>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let table = serde_yaml::from_str(include_str!("prices.yaml"));
    // A test reads the table: it is a part of this program.
    table.unwrap_or(Table { as_of: String::new(), models: Vec::new() })
});

impl KnownPrice {
    /// The price.
    #[must_use]
    pub fn price(&self) -> Price {
        Price {
            input: self.input,
            cached_input: self.cached_input,
            cache_write: self.cache_write,
            output: self.output,
            reasoning: self.reasoning,
            tiers: self.tiers.clone(),
        }
    }
}

/// The whole table.
#[must_use]
pub fn known_prices() -> &'static [KnownPrice] {
    &TABLE.models
}

/// The day of the table's newest figure.
#[must_use]
pub fn prices_as_of() -> &'static str {
    &TABLE.as_of
}

/// The row of a model that a provider is asked for; `base_url` is the server, where it is not the vendor's own.
#[must_use]
pub fn known_price(provider: &str, base_url: Option<&str>, model: &str) -> Option<&'static KnownPrice> {
    let vendor = match (provider, base_url) {
        ("openai" | "openai-responses", None) | ("azure-openai", _) => "openai",
        ("anthropic", None) => "anthropic",
        ("gemini", None) => "google",
        ("bedrock", None) => "amazon",
        ("openai" | "openai-responses" | "anthropic", Some(url)) => vendor_of(url)?,
        _ => return None,
    };
    // Bedrock's ids may say from which part of the world they are served.
    let parts = ["us.", "eu.", "apac.", "global."];
    let model = parts.iter().find_map(|part| model.strip_prefix(part).filter(|_| vendor == "amazon")).unwrap_or(model);
    let fits = |row: &&KnownPrice| row.vendor == vendor && is_version_of(model, &row.id);
    known_prices().iter().filter(fits).max_by_key(|row| row.id.len())
}

/// Vendors with a server of OpenAI's protocol.
fn vendor_of(url: &str) -> Option<&'static str> {
    let url = reqwest::Url::parse(url).ok()?;
    match url.host_str()? {
        "api.openai.com" => Some("openai"),
        "api.anthropic.com" => Some("anthropic"),
        "api.mistral.ai" => Some("mistral"),
        "api.deepseek.com" => Some("deepseek"),
        "api.x.ai" => Some("xai"),
        "api.groq.com" => Some("groq"),
        _ => None,
    }
}

/// Whether a model is the one of an id, or a dated version of it (`-2025-04-14`, `-001`, `-latest`): `gpt-4o-mini` is
/// no version of `gpt-4o`.
#[must_use]
pub fn is_version_of(model: &str, id: &str) -> bool {
    let Some(rest) = model.strip_prefix(id) else { return false };
    let Some(rest) = rest.strip_prefix(['-', '@']) else { return rest.is_empty() };
    rest == "latest" || rest.len() >= 3 && rest.chars().all(|c| c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_whole() {
        let table: Table = serde_yaml::from_str(include_str!("prices.yaml")).expect("a table");
        assert!(table.models.len() > 50);
        let ids: HashSet<_> = table.models.iter().map(|row| (&row.vendor, &row.id)).collect();
        assert_eq!(ids.len(), table.models.len());
        for row in &table.models {
            let price = row.price();
            let tiers = price.tiers.iter().map(|tier| price.at(tier.above + 1));
            for price in tiers.chain([price.at(0)]) {
                let Price { input, cached_input, cache_write, output, reasoning, .. } = price;
                for value in [Some(input), cached_input, cache_write, Some(output), reasoning] {
                    assert!(value.is_none_or(|value| value.is_finite() && value >= 0.0), "{row:?}");
                }
                assert_eq!(cached_input.is_some(), row.cached_input.is_some(), "{row:?}");
                assert_eq!(cache_write.is_some(), row.cache_write.is_some(), "{row:?}");
            }
            assert!(price.tiers.is_sorted_by(|one, next| one.above < next.above), "{row:?}");
            assert!(row.source.starts_with("https://"), "{row:?}");
            for date in [Some(&row.as_of), row.retires.as_ref()].into_iter().flatten() {
                assert!(date.parse::<jiff::civil::Date>().is_ok(), "{row:?}");
            }
            assert!(row.as_of <= table.as_of, "{row:?}");
        }
    }

    #[test]
    fn a_dated_version_costs_what_its_model_costs() {
        let id = |provider, url, model| known_price(provider, url, model).map(|row| row.id.as_str());
        assert_eq!(id("openai", None, "gpt-4.1-mini-2025-04-14"), Some("gpt-4.1-mini"));
        assert_eq!(id("openai", None, "gpt-4.1"), Some("gpt-4.1"));
        assert_eq!(
            id("azure-openai", Some("https://n.openai.azure.com"), "text-embedding-3-small"),
            Some("text-embedding-3-small")
        );
        assert_eq!(id("bedrock", None, "amazon.titan-embed-text-v2:0"), Some("amazon.titan-embed-text-v2:0"));
        assert_eq!(id("openai", None, "gpt-4.1-audio-preview"), None);
        assert_eq!(id("openai", Some("http://127.0.0.1:1/v1"), "gpt-4.1"), None);
        assert_eq!(id("mock", None, "gpt-4.1"), None);
        assert_eq!(id("bedrock", None, "us.amazon.nova-lite-v1:0"), Some("amazon.nova-lite-v1:0"));
    }
}
