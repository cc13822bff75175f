//! Statistics of comparisons: pure functions, checked against reference values computed with scipy and statsmodels.
//!
//! Knows nothing of prompts, cases or models: only of passes, scores and ratios. Every function of randomness takes a
//! seed.

mod discrete;
mod estimate;
mod exact;
mod multiple;
mod sequential;

pub use discrete::{binomial_at_least, binomial_at_most, pass_at_k, pass_hat_k, quantile_ranks, wilson};
pub use estimate::{Estimate, clustered_mean, log_ratio, paired_mean};
pub use exact::{ExactTest, SignFlip, Stratum, sign_flip, stratified_exact};
pub use multiple::{benjamini_hochberg, holm};
pub use sequential::{Decision, RateBets, Sequential};
