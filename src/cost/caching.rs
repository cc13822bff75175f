//! What a cache of the vendor's would save: of the beginning that all requests have, at the price of input that comes from it.

use serde::Serialize;

use super::Requests;
use super::bill::Bill;
use crate::core::record::Usage;
use crate::project::CacheSettings;

/// What a cache would save a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Caching {
    /// So much, at the most.
    Saves {
        /// Tokens of the beginning.
        tokens: u64,
        /// USD a request, on the mean.
        per_request_usd: f64,
        /// USD a month.
        per_month_usd: Option<f64>,
        /// The share of requests that find their beginning there.
        hit_rate: f64,
        /// Tokens that the recorded requests had from a cache already, on the mean: they are not counted again.
        cached_already: f64,
    },
    /// Nothing, or nobody knows how much.
    Nothing {
        /// Why.
        why: String,
    },
}

/// The least tokens that a vendor caches, as its documentation says; `None` where it is not known here.
///
/// OpenAI: <https://platform.openai.com/docs/guides/prompt-caching> (1,024, in steps of 128). Anthropic:
/// <https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching> (1,024; Haiku 3 and 3.5 2,048). Gemini:
/// <https://ai.google.dev/gemini-api/docs/caching> (2.5: 2,048; later ones 4,096).
#[must_use]
pub fn minimum(provider: &str, model: &str) -> Option<u64> {
    match provider {
        "openai" | "openai-responses" | "azure-openai" => Some(1024),
        "anthropic" | "bedrock" if model.contains("claude") => {
            Some(if model.contains("3-haiku") || model.contains("3-5-haiku") { 2048 } else { 1024 })
        }
        "gemini" => Some(if model.contains("2.5") { 2048 } else { 4096 }),
        _ => None,
    }
}

/// OpenAI caches whole steps.
fn step(provider: &str) -> u64 {
    if minimum(provider, "") == Some(1024) { 128 } else { 1 }
}

/// What a cache would save.
#[must_use]
pub fn caching(requests: &Requests, bill: &Bill, settings: &CacheSettings) -> Caching {
    let nothing = |why: String| Caching::Nothing { why };
    let Some(fixed) = &requests.fixed else {
        return nothing("one case alone does not show what all requests begin with".into());
    };
    let (provider, model) = &requests.served;
    let least = settings.minimum.or_else(|| minimum(provider, model)).unwrap_or(0);
    // What a provider counts may be more or less than the estimate, of the beginning as of the whole.
    let scale = bill.input.filter(|_| fixed.of_tokens > 0.0).map_or(1.0, |input| input.mean / fixed.of_tokens);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tokens, and not below 0")]
    let beginning = (super::as_f64(fixed.beginning) * scale).round() as u64;
    if beginning < least {
        let why = format!("all requests begin alike for about {beginning} tokens, and from {least} on is cached");
        return nothing(why);
    }
    let tokens = beginning - beginning % step(provider);
    let Some(price) = &requests.price else { return nothing("the model has no price".into()) };
    let read = bill.input.or(bill.estimated_input).map_or(0.0, |input| input.mean);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tokens, and not below 0")]
    let price = price.at(read.round() as u64);
    let Some(cached) = price.cached_input else { return nothing("the price names no `cached-input`".into()) };
    let hit_rate = settings.hit_rate.unwrap_or(1.0);
    let tokens_read = hit_rate * super::as_f64(tokens);
    let per_request = |of: fn(&Usage) -> Option<u64>| {
        super::mean(requests.counted().map(|usage| super::as_f64(of(&usage).unwrap_or(0)))).unwrap_or(0.0)
    };
    let cached_already = per_request(|usage| usage.cached_input);
    let more = tokens_read - cached_already;
    if more <= 0.0 {
        return nothing(if settings.hit_rate.is_some_and(|rate| rate < 1.0) {
            format!(
                "{cached_already:.0} tokens of a request come from a cache already, and no more would at this `hit-rate`"
            )
        } else {
            "it comes from a cache already".to_owned()
        });
    }
    // One that is not found there is written into it; some were already.
    let dearer = price.cache_write.map_or(0.0, |write| write - price.input);
    let written = super::as_f64(tokens) - tokens_read - per_request(|usage| usage.cache_write);
    let per_request_usd = (more * (price.input - cached) - written * dearer) / 1e6;
    if per_request_usd <= 0.0 {
        return nothing(if cached >= price.input {
            "`cached-input` is no lower than `input`".to_owned()
        } else {
            "writing the cache would cost more than it saves".to_owned()
        });
    }
    let per_month_usd = bill.volume.map(|volume| per_request_usd * super::as_f64(volume));
    Caching::Saves { tokens, per_request_usd, per_month_usd, hit_rate, cached_already }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What would be saved of requests of 2,004 tokens of which 1,920 are the beginning and 512 came from a cache.
    fn saved(cached_input: f64, cache_write: Option<f64>, hit_rate: Option<f64>) -> Caching {
        let rows = [("a", Some((2004, 100)), 2004), ("b", Some((2004, 100)), 2004)];
        let mut all = super::super::change::tests::requests(&rows, Some((4.0, 16.0)));
        all.price =
            all.price.map(|price| crate::core::price::Price { cached_input: Some(cached_input), cache_write, ..price });
        all.rows.iter_mut().filter_map(|row| row.usage.as_mut()).for_each(|usage| usage.cached_input = Some(512));
        all.fixed =
            Some(crate::cost::Fixed { requests: 2, of_tokens: 2004.0, tokens: 1930, beginning: 1920, margin: 0.0 });
        let settings = CacheSettings { hit_rate, ..CacheSettings::default() };
        super::super::bill::bill(&all, None, &settings).caching
    }

    #[test]
    fn what_is_cached_already_is_not_saved_again() {
        let usd = |found: &Caching| match found {
            Caching::Saves { per_request_usd, .. } => *per_request_usd,
            Caching::Nothing { .. } => 0.0,
        };
        for (hit_rate, wanted) in [(1.0, 1408.0), (0.5, 448.0), (512.0 / 1920.0, 0.0), (0.05, 0.0)] {
            let found = saved(1.0, None, Some(hit_rate));
            assert!((usd(&found) - wanted * 3.0 / 1e6).abs() < 1e-12, "{hit_rate}: {found:?}");
        }
        // What is not found is written: 960 tokens for 1 USD more.
        assert!((usd(&saved(1.0, Some(5.0), Some(0.5))) - (448.0 * 3.0 - 960.0) / 1e6).abs() < 1e-12);
        let why = |found: Caching| match found {
            Caching::Nothing { why } => why,
            Caching::Saves { .. } => String::new(),
        };
        assert!(why(saved(1.0, None, Some(0.05))).starts_with("512 tokens of a request come from a cache already"));
        assert_eq!(why(saved(8.0, None, None)), "`cached-input` is no lower than `input`");
        assert_eq!(why(saved(3.9, Some(8.0), Some(0.5))), "writing the cache would cost more than it saves");
    }

    #[test]
    fn vendors_cache_from_a_length_on() {
        assert_eq!(minimum("openai", "gpt-4.1"), Some(1024));
        assert_eq!(minimum("anthropic", "claude-3-5-haiku-latest"), Some(2048));
        assert_eq!(minimum("anthropic", "claude-sonnet-4"), Some(1024));
        assert_eq!(minimum("gemini", "gemini-2.5-flash"), Some(2048));
        assert_eq!(minimum("gemini", "gemini-3-pro"), Some(4096));
        assert_eq!(minimum("mock", "m"), None);
        assert_eq!((step("openai"), step("gemini"), step("mock")), (128, 1, 1));
    }
}
