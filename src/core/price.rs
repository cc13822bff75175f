//! What tokens cost: prices, their tiers for long requests, and what an answer cost part by part.

use serde::{Deserialize, Serialize};

use super::record::Usage;

/// USD for a million tokens.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Price {
    /// Input that came from no cache.
    pub input: f64,
    /// Input that came from a cache; left out: as `input`.
    pub cached_input: Option<f64>,
    /// Input that is written into a cache; left out: as `input`.
    pub cache_write: Option<f64>,
    /// Output.
    pub output: f64,
    /// Output that is reasoning; left out: as `output`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<f64>,
    /// What long requests cost instead, the shortest of them first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
}

/// The price of all tokens of a request that is longer than so many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all(deserialize = "kebab-case"))]
pub struct Tier {
    /// It holds where more tokens than these are read.
    pub above: u64,
    /// As in [`Price`].
    pub input: f64,
    /// As in [`Price`].
    pub cached_input: Option<f64>,
    /// As in [`Price`].
    pub cache_write: Option<f64>,
    /// As in [`Price`].
    pub output: f64,
    /// As in [`Price`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<f64>,
}

impl Tier {
    fn price(&self) -> Price {
        let Self { input, cached_input, cache_write, output, reasoning, .. } = *self;
        Price { input, cached_input, cache_write, output, reasoning, tiers: Vec::new() }
    }
}

/// What an answer cost, part by part, in USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Parts {
    /// Input that came from no cache and went into none.
    pub input: f64,
    /// Input that came from a cache.
    pub cached_input: f64,
    /// Input that was written into a cache.
    pub cache_write: f64,
    /// Output, reasoning left out.
    pub output: f64,
    /// Reasoning.
    pub reasoning: f64,
}

impl Parts {
    /// All parts together.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.input + self.cached_input + self.cache_write + self.output + self.reasoning
    }
}

impl Price {
    /// The price of a request of so many tokens, in which no tier is left.
    #[must_use]
    pub fn at(&self, input: u64) -> Self {
        let tier = self.tiers.iter().rev().find(|tier| input > tier.above);
        tier.map_or_else(|| Self { tiers: Vec::new(), ..*self }, Tier::price)
    }

    /// The most that each kind of token may cost in a request of up to so many tokens.
    #[must_use]
    pub fn most(&self, input: u64) -> Self {
        let reached = self.tiers.iter().filter(|tier| input > tier.above).map(Tier::price);
        let dearer = |one: Option<f64>, other: Option<f64>| one.into_iter().chain(other).reduce(f64::max);
        reached.fold(self.at(0), |most, price| Self {
            input: most.input.max(price.input),
            cached_input: dearer(most.cached_input, price.cached_input),
            cache_write: dearer(most.cache_write, price.cache_write),
            output: most.output.max(price.output),
            reasoning: dearer(most.reasoning, price.reasoning),
            tiers: Vec::new(),
        })
    }

    /// USD of what is read alone, where nothing of it comes from a cache.
    #[must_use]
    pub fn read(&self, tokens: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "token counts, and not below 0")]
        let input = tokens.round() as u64;
        tokens * self.at(input).input / 1e6
    }

    /// What an answer cost, in USD; `None` where the provider did not count the tokens.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Option<f64> {
        self.parts(usage).map(|parts| parts.sum())
    }

    /// The same, part by part.
    #[must_use]
    pub fn parts(&self, usage: &Usage) -> Option<Parts> {
        let (input, output) = (usage.input?, usage.output?);
        let price = self.at(input);
        let cached = usage.cached_input.unwrap_or(0).min(input);
        let written = usage.cache_write.unwrap_or(0).min(input - cached);
        let reasoning = usage.reasoning.unwrap_or(0).min(output);
        #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^53")]
        let tokens = |n: u64| n as f64 / 1e6;
        Some(Parts {
            input: tokens(input - cached - written) * price.input,
            cached_input: tokens(cached) * price.cached_input.unwrap_or(price.input),
            cache_write: tokens(written) * price.cache_write.unwrap_or(price.input),
            output: tokens(output - reasoning) * price.output,
            reasoning: tokens(reasoning) * price.reasoning.unwrap_or(price.output),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Embedding, Response};
    use super::*;

    #[test]
    fn an_answer_with_an_embedding_is_not_empty_and_costs_its_input() {
        let embedding = Embedding::new(vec![0.5]).ok();
        let usage = Usage { input: Some(1_000_000), output: Some(0), ..Usage::default() };
        let response = Response { usage, embedding, ..Response::default() };
        assert!(!response.is_empty() && Response::default().is_empty());
        let price = Price {
            input: 0.02,
            cached_input: None,
            cache_write: None,
            output: 0.0,
            reasoning: None,
            tiers: Vec::new(),
        };
        assert!((price.cost(&response.usage).expect("told") - 0.02).abs() < 1e-9);
    }

    #[test]
    fn a_price_needs_the_tokens() {
        let price = Price {
            input: 1.0,
            cached_input: Some(0.1),
            cache_write: Some(1.25),
            output: 4.0,
            reasoning: Some(6.0),
            tiers: Vec::new(),
        };
        let usage =
            Usage { input: Some(1_000_000), cached_input: Some(500_000), output: Some(250_000), ..Usage::default() };
        assert!((price.cost(&usage).expect("told") - 1.55).abs() < 1e-9);
        let usage = Usage { cache_write: Some(400_000), ..usage };
        assert!((price.cost(&usage).expect("told") - 1.65).abs() < 1e-9);
        let usage = Usage { reasoning: Some(50_000), ..usage };
        assert!((price.cost(&usage).expect("told") - 1.75).abs() < 1e-9);
        let parts = price.parts(&usage).expect("told");
        assert!((parts.output - 0.8).abs() < 1e-9 && (parts.reasoning - 0.3).abs() < 1e-9, "{parts:?}");
        assert_eq!(price.cost(&Usage::default()), None);
    }

    #[test]
    fn a_long_request_costs_what_its_tier_says() {
        let tier = |above, input, output| Tier {
            above,
            input,
            cached_input: Some(input / 10.0),
            cache_write: None,
            output,
            reasoning: None,
        };
        let price = Price {
            input: 1.0,
            cached_input: Some(0.1),
            cache_write: None,
            output: 8.0,
            reasoning: None,
            tiers: vec![tier(200_000, 2.0, 12.0), tier(500_000, 4.0, 20.0)],
        };
        let cost = |input, cached| {
            let usage =
                Usage { input: Some(input), cached_input: Some(cached), output: Some(1000), ..Usage::default() };
            (price.cost(&usage).expect("counted") * 1e6).round()
        };
        // By hand: tokens times the figures of the tier, in millionths of a dollar.
        assert!((cost(200_000, 0) - 208_000.0).abs() < 0.5, "200,000 × 1 + 1,000 × 8");
        assert!((cost(200_001, 0) - 412_002.0).abs() < 0.5, "200,001 × 2 + 1,000 × 12");
        assert!((cost(500_000, 100_000) - 832_000.0).abs() < 0.5, "400,000 × 2 + 100,000 × 0.2 + 1,000 × 12");
        assert!((cost(600_000, 0) - 2_420_000.0).abs() < 0.5, "600,000 × 4 + 1,000 × 20");
        assert!((price.read(300_000.0) - 0.6).abs() < 1e-12 && (price.read(100_000.0) - 0.1).abs() < 1e-12);
        let most = price.most(600_000);
        assert!((most.input, most.output, most.tiers.len()) == (4.0, 20.0, 0), "{most:?}");
        assert!(price.most(200_000).input < 1.5);
    }
}
